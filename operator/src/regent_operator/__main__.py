"""`python3 -I -m regent_operator`: the operator."""

# ruff: noqa: E402
from regent_api.ending import end_on_sigterm

end_on_sigterm()

import sys

from regent_operator.app import run
from regent_operator.settings import parse_settings

sys.exit(run(parse_settings()))
