"""`python3 -I -m regent_operator`: the operator."""

import sys

from regent_operator.app import run
from regent_operator.settings import parse_settings

sys.exit(run(parse_settings()))
