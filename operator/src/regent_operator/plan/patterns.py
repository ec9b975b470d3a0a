"""Patterns that users write, compiled before any pod has to: with RE2, which knows no pattern that takes long.

What RE2 refuses, and what would fill the memory of its automaton, is reported with its path and RE2's own words.
"""

from collections.abc import Iterator

from regent_api.policy import AgentPolicySpec

MOST_MEMORY = 1024 * 1024
"""Bytes that one compiled pattern may take; the runtime gives a whole set sixteen times that."""


def pattern_errors(spec: AgentPolicySpec) -> Iterator[str]:
    """What is wrong with the patterns of a policy, each with its path."""
    guardrails = spec.guardrails
    for side in ("input", "output"):
        group = getattr(guardrails, side) if guardrails else None
        for index, pattern in enumerate((group and group.patterns) or []):
            if words := pattern_error(pattern.re2):
                path = f"spec.guardrails.{side}.patterns[{index}].re2"
                yield f"{path}: {pattern.name}: {words}; write it in RE2's syntax (no look-around, no back-references)"


def pattern_error(pattern: str) -> str | None:
    """RE2's words on a pattern that it does not take; None: it does."""
    import re2  # noqa: PLC0415 - 1.6 MB, and only for policies that state patterns

    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else "not understood"
        return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return None
