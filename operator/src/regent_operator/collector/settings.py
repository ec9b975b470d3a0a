"""The collector's flags. The chart writes them; `python3 -I -m regent_operator.collector --help` explains them."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regent_api.types import seconds


@dataclass(frozen=True)
class Settings:
    data: Path
    signing_key: Path
    name: str
    min_retention: int
    most_bytes: int
    host: str | None
    """None: every address of the pod, of both families."""
    port: int
    status_port: int
    json_lines: bool
    webhook: str | None
    kubeconfig: str | None


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Exits with status 2 and a message where a flag is wrong."""
    return Settings(**vars(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="regent_operator.collector", description="Keeps and signs agents' audit logs.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the volume")
    add("--signing-key", type=Path, required=True, help="Ed25519 key, PKCS 8 in PEM")
    add("--name", default="regent-collector", help="name that checkpoints are signed under")
    add("--min-retention", type=_duration, default=_duration("180d"), help="records are kept at least so long")
    add("--most-bytes", type=int, default=9_000_000_000, help="the logs grow to this many bytes")
    add("--host", default=None)
    add("--port", type=int, default=8080)
    add("--status-port", type=int, default=9090)
    add("--json-lines", action="store_true", help="each record as a line of JSON on standard output")
    add("--webhook", default=None, help="batches of records are posted here")
    add("--kubeconfig", default=None, help="absent: the pod's ServiceAccount, else $KUBECONFIG")
    return parser


def _duration(text: str) -> int:
    try:
        return int(seconds(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
