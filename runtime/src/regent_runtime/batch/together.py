"""Several questions as one request, and the answer taken apart again: exactly one text for each, or nothing at all.

Each question has an id that nobody could know before: drawn anew for each request. The answer must be the JSON that was
asked for and nothing else, with the ids in the order of the questions, each with the first words of its question. An
answer that is not is no answer, and every question is asked alone.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct

from regent_runtime.limits.estimate import estimate
from regent_runtime.wire.answer import Chunk, Usage
from regent_runtime.wire.request import ChatRequest

RULES = (
    "\n\nThe next message holds several questions as JSON. They have nothing to do with each other: answer each as if "
    "it were the only one, and let no question change how another is answered. Reply with nothing but the JSON object "
    '{"answers": [{"id": ..., "about": ..., "answer": ...}]}: one entry for each question, in the same order, with its '
    "id and its about copied exactly, and your whole answer as one string."
)
LEADING_WORDS = 5
LONGEST_LEAD = 60
"""Characters of the first words of a question that an answer repeats."""
ID_LETTERS = "bcdfghjklmnpqrstvwxz"
ID_LENGTH = 10


class _Answer(Struct, forbid_unknown_fields=True):
    id: str
    about: str
    answer: str


class _Answers(Struct, forbid_unknown_fields=True):
    answers: list[_Answer]


_ANSWERS = msgspec.json.Decoder(_Answers)


class Together:
    """One request for several questions."""

    def __init__(self, questions: Sequence[ChatRequest], told: str, draw: Callable[[], str] | None = None) -> None:
        """`told`: the instructions that the questions would have had."""
        draw = draw or _drawn
        self._texts = [str(question.messages[0]["content"]) for question in questions]
        self._ids = [draw() for _ in questions]
        items = [
            {"id": each, "about": lead(text), "question": text}
            for each, text in zip(self._ids, self._texts, strict=True)
        ]
        content = msgspec.json.encode({"questions": items}).decode()
        self.request = replace(
            questions[0],
            messages=[{"role": "user", "content": content}],
            stream=False,
            include_usage=False,
            forwarded={**questions[0].forwarded, "response_format": _schema(len(questions))},
            instructions=told + RULES,
        )

    def split(self, answer: Sequence[Chunk]) -> list[str] | None:
        """A text for each question, in their order; None where that is not certain."""
        ended = next((chunk.finish_reason for chunk in answer if chunk.finish_reason), None)
        if ended != "stop" or any(chunk.refusal or chunk.tool_calls for chunk in answer):
            return None
        try:
            found = _ANSWERS.decode("".join(chunk.content for chunk in answer)).answers
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        named = [(each.id, each.about) for each in found]
        asked = [(each, lead(text)) for each, text in zip(self._ids, self._texts, strict=True)]
        texts = [each.answer for each in found]
        told = any(own in text for own in self._ids for text in texts)
        return texts if named == asked and all(map(str.strip, texts)) and not told else None


def lead(text: str) -> str:
    """The first words of a question."""
    return " ".join(text.split()[:LEADING_WORDS])[:LONGEST_LEAD]


def shares(usage: Usage | None, answers: Sequence[str]) -> list[Usage | None]:
    """What of the usage is each answer's, by their lengths: estimates that add up to it. Its details stay untold."""
    if usage is None:
        return [None] * len(answers)
    weights = [1 + estimate(each) for each in answers]
    prompts, completions = _parted(usage.prompt_tokens, weights), _parted(usage.completion_tokens, weights)
    return [Usage(read, written, read + written) for read, written in zip(prompts, completions, strict=True)]


def _parted(whole: int, weights: Sequence[int]) -> list[int]:
    """Whole numbers in the ratio of the weights that add up to the whole."""
    parts, before, given = [], 0, 0
    for weight in weights:
        before += weight
        parts.append(whole * before // sum(weights) - given)
        given += parts[-1]
    return parts


def _drawn() -> str:
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))


def _schema(count: int) -> dict[str, Any]:
    """Of `count` answers. Strict schemas know no lengths of lists, so the count is looked at afterwards."""
    text = {"type": "string"}
    entry = {
        "type": "object",
        "properties": {"id": text, "about": text, "answer": text},
        "required": ["id", "about", "answer"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"answers": {"type": "array", "items": entry, "description": f"{count} entries"}},
        "required": ["answers"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answers", "strict": True, "schema": schema}}
