"""`python3 -I -m regent_operator.collector`: the audit collector."""

import asyncio
import logging
import sys

from regent_operator.collector.app import LOGS, serve
from regent_operator.collector.keys import erase
from regent_operator.collector.settings import Serve, parse


def main() -> None:
    chosen = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if isinstance(chosen, Serve):
        asyncio.run(serve(chosen))
    else:
        sys.stdout.write(f"{erase(chosen.data / LOGS, chosen.subject)} keys destroyed\n")


main()
