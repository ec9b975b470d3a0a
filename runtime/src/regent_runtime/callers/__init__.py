"""Who is calling, and whether the policies let that caller in."""

from regent_runtime.callers.caller import ANONYMOUS, Caller, CallerKind
from regent_runtime.callers.identify import Callers

__all__ = ["ANONYMOUS", "Caller", "CallerKind", "Callers"]
