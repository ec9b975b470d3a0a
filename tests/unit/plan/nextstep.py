"""What the status contract wants of each condition's message: that it ends with the next step."""

NEXT_STEPS = ("change", "correct", "create", "name it", "nothing to do", "rename", "see", "set", "wait")
"""How one begins: what the reader does, or that there is nothing to do."""


def ends_with_the_next_step(message: str) -> bool:
    """Whether a part of the last sentence tells the reader what to do."""
    if not message.endswith("."):
        return False
    parts = message.removesuffix(".").rpartition(". ")[2].split("; ")
    return any(part.lower().startswith(NEXT_STEPS) for part in parts)
