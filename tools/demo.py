"""`make demo`: the agent of examples/quickstart on this machine, with no cluster and no key.

Starts `regent dev`, which starts the real demo model; asks as two callers; ends all of it. KEEP=1: stays up.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from conversation import DemoFailed, Stage, out, play, say

from regent_operator.cli.process import is_free

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = "examples/quickstart"
CALLERS = ("quickstart/visitor", "quickstart/stranger")
PORT = 8080
STOP_SECONDS = 60.0


def main() -> None:
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder, regent_dev(Path(folder) / "agents.log") as said:
            stage = invited(said)
            out(f"endpoint   {stage.endpoint}\ntoken      {stage.visitor}\n\n")
            play(stage, begun, "the start (installs are not counted)")
            if os.environ.get("KEEP") == "1":
                stay(stage, said)
    except DemoFailed as failure:
        sys.exit(f"the demo failed: {failure}")
    except KeyboardInterrupt:
        say("ended")


@contextmanager
def regent_dev(log: Path) -> Iterator[IO[str]]:
    """What `regent dev` says, invitations and progress in their order; it ends with this program, however that ends."""
    command = [sys.executable, "-I", "-m", "regent_operator.cli.main", "dev", "-f", MANIFESTS, "-o", "json"]
    command += ["--port", str(PORT if is_free(PORT) else 0), "--log-file", str(log)]
    command += [word for caller in CALLERS for word in ("--caller", caller)]
    tether = [sys.executable, "-I", "-m", "regent_operator.cli.tether", str(os.getpid())]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*tether, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    assert process.stdout is not None  # noqa: S101 - PIPE
    try:
        yield process.stdout
    except DemoFailed:
        if log.exists():
            say(log.read_text(errors="replace")[-4000:])
        raise
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def invited(said: IO[str]) -> Stage:
    """Endpoint and tokens, as `regent dev -o json` prints them; it ends by itself when the agent does not come up."""
    invitations: dict[str, dict[str, str]] = {}
    while len(invitations) < len(CALLERS):
        line = said.readline()
        if not line:
            raise DemoFailed("regent dev ended")
        if line.startswith("{"):
            invitation = json.loads(line)
            invitations[invitation["caller"]] = invitation
        else:
            say(line.rstrip())
    visitor, stranger = (invitations[caller] for caller in CALLERS)
    return Stage(visitor["endpoint"], visitor["token"], stranger["token"])


def stay(stage: Stage, said: IO[str]) -> None:
    """Until Ctrl-C; how to end it and which edits were taken over `regent dev` says itself."""
    out(f"export REGENT_ENDPOINT={stage.endpoint} REGENT_TOKEN={stage.visitor}\n")
    out(f'{Path(sys.executable).parent.relative_to(ROOT)}/regent chat "What is a parcel?"\n\n')
    for line in said:
        say(line.rstrip())
    raise DemoFailed("regent dev ended")


if __name__ == "__main__":
    main()
