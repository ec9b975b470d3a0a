"""Which requests of a batch may go to a model together: pure.

Only what is alike in all that decides where it goes and how it is answered: config, label, providers in their order,
instructions, parameters. Only single questions of plain text, short ones, and none in which a guard saw anything. What
may not go together is asked alone, and nothing is lost by it but money.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regent_api.batch import Grouping
from regent_api.config import AgentConfig, ProviderConfig
from regent_runtime.guard.findings import INJECTION
from regent_runtime.limits.estimate import estimate
from regent_runtime.record import TurnRecord
from regent_runtime.wire.request import ChatRequest

MOST_TOGETHER = 8
LONGEST_QUESTION = 200
"""Tokens."""
LEAST_SHARED = 0.2
"""Of the words of two questions, that stand in both."""
_MAY_DIFFER_IN_NOTHING = frozenset({"top_p", "seed", "reasoning_effort", "verbosity"})
"""Parameters that a group may have, equal for all; any other one speaks of the form of an answer."""
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Question:
    """A request that has passed every stage before its attempts."""

    request: ChatRequest
    providers: Sequence[ProviderConfig]
    record: TurnRecord

    @property
    def text(self) -> str:
        return str(self.request.messages[0]["content"])

    def alike(self) -> tuple[object, ...]:
        """Equal for all that may go together."""
        request, record = self.request, self.record
        return (
            record.config,
            record.sensitivity,
            record.caller_kind,
            record.subject,
            tuple(provider.name for provider in self.providers),
            request.instructions,
            request.temperature,
            sorted(request.forwarded.items()),
        )


def may_be_grouped(question: Question, config: AgentConfig) -> bool:
    """Whether it may go with others at all."""
    request = question.request
    return (
        config.batch.grouping is Grouping.SIMILAR
        and watched(config)
        and [_is_plain(message) for message in request.messages] == [True]
        and request.max_output_tokens is None
        and request.forwarded.keys() <= _MAY_DIFFER_IN_NOTHING
        and all(provider.capabilities.json_schema for provider in question.providers)
        and not any(each.field in INJECTION and not each.shadow for each in question.record.decisions)
        and bool(question.text.strip())
        and estimate(question.text) <= LONGEST_QUESTION
    )


def _is_plain(message: Mapping[str, Any]) -> bool:
    """Whether it is a user's text and nothing else."""
    return message.keys() == {"role", "content"} and message["role"] == "user" and isinstance(message["content"], str)


def watched(config: AgentConfig) -> bool:
    """Whether a guard looks for injections: what nobody has looked at stands beside nothing else."""
    guard = config.policy.guardrails.input.injection
    return bool(guard.patterns or guard.model)


def groups(questions: Sequence[Question]) -> list[list[int]]:
    """Indexes, each in one group; groups of one are asked alone. Stable: in the order of the batch."""
    made: list[list[int]] = []
    for at, question in enumerate(questions):
        home = next((group for group in made if _belongs(question, [questions[each] for each in group])), None)
        if home is None:
            made.append([at])
        else:
            home.append(at)
    return made


def _belongs(question: Question, group: Sequence[Question]) -> bool:
    first = group[0]
    return len(group) < MOST_TOGETHER and first.alike() == question.alike() and _similar(first.text, question.text)


def _similar(one: str, other: str) -> bool:
    words, others = set(_words(one)), set(_words(other))
    return len(words & others) >= LEAST_SHARED * len(words | others) and bool(words)


def _words(text: str) -> Iterator[str]:
    return (match[0].casefold() for match in _WORDS.finditer(text))
