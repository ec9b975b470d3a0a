"""Short runs in forks of one warm process: what takes long, importing, was done by the parent, and nothing stays.

The limits are far beyond what a run takes: they end one that would never end.
"""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

import pytest

CPU_SECONDS = 120
WALL_SECONDS = 1800
MOST_BYTES = 4 << 30
SIGNALLED = 128
"""Added to the number of the signal that ended a run, as a shell does."""
BROKEN = 70
"""Exit code of a run that raised."""
LIMITS = (SIGNALLED + signal.SIGXCPU, SIGNALLED + signal.SIGALRM)
"""Exit codes of a run that was ended because it took too long."""
OURS = ("regent_", "tests.")


def begun(work: Callable[[], int], *, loud: bool = False, cpu_seconds: int = CPU_SECONDS) -> int:
    """The process id of a child that does the work and ends with the code that it gives; BROKEN if it raises.

    `loud`: it may print, and has all the time that it wants.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            if not loud:
                _be_bounded(cpu_seconds)
                _be_quiet()
            code = work()
        except BaseException:  # noqa: BLE001 - it must not go on as a second parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return child


def ended(child: int) -> int:
    """Its exit code, once it has ended."""
    _, status = os.waitpid(child, 0)
    return SIGNALLED + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def imported(files: list[str]) -> int:
    """Import these tests and all that they need; pytest's exit code."""
    with redirect_stdout(StringIO()):
        return int(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *files]))


def forget(beginnings: tuple[str, ...] = OURS) -> None:
    """In a child: modules whose names begin so are imported anew when they are needed."""
    for name in [name for name in sys.modules if name.startswith(beginnings)]:
        del sys.modules[name]


def _be_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _be_bounded(cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
