"""`python3 -I -m regent_operator.collector`: the audit collector."""

# ruff: noqa: E402
from regent_api.ending import end_on_sigterm

end_on_sigterm()

import asyncio
import logging
import sys

from regent_operator.collector.app import serve
from regent_operator.collector.settings import parse

chosen = parse()
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
asyncio.run(serve(chosen))
