"""What answers are searched for under one config: compiled once a load, and again when a mounted secret changes.

A stream goes through windows, so that most of it goes on as it comes. It waits for its end where the policy says
Buffer, where a leak of the instructions ends the turn, and where a rule may match more than a window holds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import re2

from regent_api.config import AgentConfig
from regent_api.policy import Action, Streaming
from regent_runtime.guard.instructions import Instructions
from regent_runtime.guard.mounted import Mounted
from regent_runtime.guard.output_rules import addresses, words
from regent_runtime.guard.scan import Rule, RuleSet
from regent_runtime.guard.window import Treatment, Window


@dataclass(frozen=True)
class Pass:
    """Rules that look at a text together."""

    rules: RuleSet
    treatments: Mapping[Rule, Treatment]

    def window(self, seen: Callable[[Treatment], None]) -> Window:
        return Window(self.rules, self.treatments, seen)


class OutputGuard:
    """What one config looks for; made once a load. Raises ValueError for a pattern that RE2 does not take."""

    def __init__(self, config: AgentConfig, mounted: Mounted) -> None:
        self.policy = config.policy.guardrails.output
        self.refusal = config.policy.guardrails.refusal
        self.sources = config.sources
        self.instructions: Instructions | None = None
        if self.policy.instructions_leak:
            variants = (config.instructions, config.prompt.short_instructions or "")
            self.instructions = Instructions("\n".join(variants))
        self._mounted = mounted
        self._values: frozenset[bytes] = frozenset()
        self._addresses = _pass(addresses(self.policy))
        self._passes = self._with(self._values)

    def passes(self) -> "Passes":
        """For a turn that begins now: with the secrets that are mounted now. Raises what reading them raises."""
        values = self._mounted.values() if self.policy.secrets else self._values
        if values != self._values:
            self._passes, self._values = self._with(values), values
        return self._passes

    def _with(self, values: frozenset[bytes]) -> "Passes":
        both = _pass(words(self.policy, values)), self._addresses
        made = [each for each in both if each.treatments]
        leak_denies = self.instructions is not None and Action.DENY in self.policy.instructions_leak
        is_windowed = all(each.rules.is_windowed for each in made)
        return Passes(made, self.policy.streaming is Streaming.BUFFER or leak_denies or not is_windowed)


@dataclass(frozen=True)
class Passes:
    each: Sequence[Pass]
    waits: bool
    """Nothing may go out before the end."""

    @cached_property
    def are_quick(self) -> bool:
        """Whether any piece may go through all of them on the event loop."""
        return all(each.rules.is_quick for each in self.each)


def _pass(treatments: Iterable[Treatment]) -> Pass:
    try:
        by_rule = {treatment.rule: treatment for treatment in treatments}
        return Pass(RuleSet(by_rule), by_rule)
    except re2.error:
        raise ValueError("guardrails.output: a pattern is none of RE2's, or all together are too large") from None
