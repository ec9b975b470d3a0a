"""`python3 -I -m regent_api.audit verify|export|erase DIR`: for a pod that has no `regent` command."""

import argparse
import sys

from regent_api.audit.command import add_commands, run

parser = argparse.ArgumentParser(prog="regent_api.audit", description="Check, print and erase audit logs.")
add_commands(parser)
sys.exit(run(parser.parse_args()))
