"""`python -I -m regent_operator.cli.tether PARENT PROGRAM ARGUMENT...`: becomes a program that dies with its parent.

The kernel sends SIGTERM when the parent ends, however it ends (PR_SET_PDEATHSIG; Linux only, elsewhere a parent that
is killed outright leaves the program behind). Set here, in the child before exec: a preexec_fn may deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != int(parent):
            sys.exit("the parent has ended")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
