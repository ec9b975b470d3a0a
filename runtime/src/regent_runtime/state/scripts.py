"""The Lua scripts, one an operation: Redis runs each to its end before it runs anything else."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CONVERSATION = ("begin", "attend", "rest", "active", "recall", "raise_label", "shorten", "forget", "forget_all")
APPROVAL = ("propose", "look", "decide", "consume", "discard_approvals")
PURSE = ("reserve", "settle")
ANSWER = ("keep_answer", "kept_answer", "meanings", "discard_answers")


@dataclass(frozen=True)
class Script:
    text: str
    digest: str
    """SHA-1, by which Redis knows a script that it has run before."""


@cache
def clock() -> str:
    """Lua that defines `clock()` and `grace`; tests put a clock that they hold in its place."""
    return _part("clock")


@cache
def script(name: str, clock_text: str) -> Script:
    families = {"conversation": CONVERSATION, "approval": APPROVAL, "purse": PURSE, "answer": ANSWER}
    shared = [_part(family) for family, names in families.items() if name in names]
    parts = [clock_text, _part("lib"), *shared, _part(name)]
    text = "\n".join(parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _part(name: str) -> str:
    return files("regent_runtime.state").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
