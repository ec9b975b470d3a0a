"""`python3 -I -m regent_operator.collector`: the audit collector."""

import asyncio
import logging
import sys

from regent_operator.collector.app import serve
from regent_operator.collector.settings import parse

chosen = parse()
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
asyncio.run(serve(chosen))
