"""A whole answer under a policy: the passes together, however its chunks were cut."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.decision import Decision
from regent_runtime.guard.mounted import Mounted
from regent_runtime.guard.output import OutputGuard
from regent_runtime.guard.pieces import MOST_BYTES
from regent_runtime.guard.screening import Screening
from regent_runtime.guard.window import Window
from regent_runtime.wire.answer import Chunk, ToolCall, Usage
from regent_runtime.withheld import Withheld
from tests.fakes import configs

REDACTED: dict[str, Any] = {
    "personalData": {"action": ["Audit", "Redact"], "detectors": ["Email", "Phone", "Card", "IPAddress"]},
    "secrets": ["Redact"],
    "links": {"allow": [["*.example.com"]], "images": ["Strip"]},
    "patterns": [{"policy": "demo/a", "name": "n", "re2": "tu+lip|é{2,4}", "action": "Redact"}],
}
KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
PARTS = [
    "anna@example.com", "a@b", "!", "(", "https://evil.example/x", "](", "![", "[a]", f" {KEY} ", KEY[:12], "4111 1111 1111 1111", " ", "é", "éé", "tulip",
    "+49 30 1234567", "10.1.2.3", ")", "<img src=", ">", "\n", "https://www.example.com/a", "日", "word",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), max_size=20).map("".join)


def guard(**output: Any) -> OutputGuard:
    return OutputGuard(configs.config(policy={"guardrails": {"output": output}}), Mounted())


GUARD = guard(**REDACTED)


async def screened(made: OutputGuard, pieces: list[str], decisions: list[Decision] | None = None) -> str:
    screening = Screening(made, [].append if decisions is None else decisions.append)
    chunks = [*map(Chunk, pieces), Chunk(finish_reason="stop")]
    return "".join([(await screening.feed(chunk)).content for chunk in chunks])


@given(TEXTS, st.lists(st.integers(0, 9), max_size=30))
def test_the_answer_does_not_depend_on_how_it_was_cut(text: str, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    once: list[Decision] = []
    cut: list[Decision] = []
    whole = asyncio.run(screened(GUARD, [text], once))
    assert asyncio.run(screened(GUARD, [*pieces, text[at:]], cut)) == whole
    assert sorted(map(repr, cut)) == sorted(map(repr, once))
    assert f" {KEY} " not in whole


def flowing(action: str) -> OutputGuard:
    """A guard that lets out what can no longer be a match: its pattern has a bound."""
    pattern = {"policy": "demo/a", "name": "n", "re2": "tu{1,3}lip|é{2,4}", "action": action}
    return guard(**{**REDACTED, "secrets": [action], "patterns": [pattern]})


REDACTING, DENYING = flowing("Redact"), flowing("Deny")


async def until_withheld(pieces: list[str]) -> tuple[str, bool]:
    """What was said, and whether the answer was then withheld."""
    screening, said = Screening(DENYING, [].append), ""
    try:
        for chunk in [*map(Chunk, pieces), Chunk(finish_reason="stop")]:
            said += (await screening.feed(chunk)).content
    except Withheld:
        return said, True
    return said, False


@given(TEXTS, st.lists(st.integers(0, 9), max_size=30))
def test_what_is_denied_never_shows_however_it_was_cut(text: str, sizes: list[int]) -> None:
    """What was said before is a beginning of the text in which the same matches are redacted, and holds none of them."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    said, withheld = asyncio.run(until_withheld([*pieces, text[at:]]))
    found: list[Decision] = []
    redacted = asyncio.run(screened(REDACTING, [text], found))
    matched = any(each.field in {"guardrails.output.secrets", "guardrails.output.patterns"} for each in found)
    assert withheld == matched
    assert redacted.startswith(said) if withheld else said == redacted
    assert not any(each in said for each in (KEY, "tulip", "éé"))


async def test_a_replacement_makes_no_image() -> None:
    assert await screened(GUARD, ["!a@b.example(https://www.example.com/x.png)"]) == "(image removed)"


async def test_every_action_of_a_rule_is_told_once() -> None:
    decisions: list[Decision] = []
    await screened(GUARD, ["a@example.com b@example.com"], decisions)
    assert [(each.action, each.reason) for each in decisions] == [("Audit", "Email"), ("Redact", "Email")]


async def test_a_pattern_bears_the_policy_that_states_it() -> None:
    decisions: list[Decision] = []
    await screened(GUARD, ["tulip"], decisions)
    assert [(each.field, each.policies, each.reason) for each in decisions] == [
        ("guardrails.output.patterns", ("demo/a",), "n")
    ]


async def test_usage_passes_and_nothing_is_said_after_the_finish() -> None:
    screening = Screening(GUARD, [].append)
    assert await screening.feed(Chunk("Hi", finish_reason="stop")) == Chunk("Hi", finish_reason="stop")
    assert await screening.feed(Chunk("more", usage=Usage(1, 2, 3))) == Chunk(usage=Usage(1, 2, 3))


async def test_others_run_while_a_long_answer_is_screened() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await screened(GUARD, ["word " * MOST_BYTES])
    other.cancel()
    assert turns >= 5


@pytest.mark.parametrize("re2", ["tulip", "tu+lip", "(?s)BEGIN.*END|tulip"], ids=["in pieces", "held", "as a whole"])
async def test_of_a_long_answer_nothing_is_lost_and_nothing_unread(re2: str) -> None:
    made = guard(patterns=[{"policy": "demo/a", "name": "n", "re2": re2, "action": "Redact"}])
    words = "".join(f"word {number}, " for number in range(2 * MOST_BYTES // 8))
    assert await screened(made, [words]) == words
    assert await screened(made, ["tulip " + words + "tulip"]) == f"[REDACTED] {words}[REDACTED]"


async def test_an_answer_that_repeats_no_instructions_passes() -> None:
    output = {"instructionsLeak": ["Deny"]}
    told = "Answer questions about the garden of the house; never name the gardener, and stay polite. " * 2
    made = OutputGuard(configs.config(instructions=told, policy={"guardrails": {"output": output}}), Mounted())
    assert await screened(made, ["The garden", " has roses."]) == "The garden has roses."
    with pytest.raises(Withheld):
        await screened(made, [told[:100], told[100:]])


@pytest.mark.parametrize(
    ("pattern", "waits"), [("tulip", False), ("(?:a.{1,15}){30}z", True), ("(?s)BEGIN.*END", True)]
)
async def test_a_users_pattern_that_may_take_long_holds_no_loop(
    monkeypatch: pytest.MonkeyPatch, pattern: str, waits: bool
) -> None:
    """Judged by what RE2 made of the pattern, not by the clock."""
    elsewhere = []
    feed = Window.feed

    def watched(self: Window, piece: bytes, *, final: bool = False) -> bytes:
        elsewhere.append(threading.current_thread() is not threading.main_thread())
        return feed(self, piece, final=final)

    monkeypatch.setattr(Window, "feed", watched)
    made = guard(secrets=[], patterns=[{"policy": "demo/a", "name": "n", "re2": pattern, "action": "Redact"}])
    text = "calm words. " * 100 + "tulip BEGIN " + "a more " * 30 + "z END"
    assert "[REDACTED]" in await screened(made, [text])
    assert any(elsewhere) is waits


async def test_what_is_found_in_a_thread_denies_all_the_same() -> None:
    slow = {"policy": "demo/a", "name": "n", "re2": "(?s)BEGIN.*END", "action": "Deny"}
    with pytest.raises(Withheld):
        await screened(guard(patterns=[slow]), ["BEGIN " + "calm words. " * 100 + "END"])


@pytest.mark.parametrize("texts", [["It is ", KEY, " "], [f"It is {KEY} "]])
async def test_a_denied_answer_says_nothing_of_what_was_found(texts: list[str]) -> None:
    screening, said = Screening(guard(secrets=["Deny"]), [].append), list[str]()

    async def say() -> None:
        for text in texts:
            said.append((await screening.feed(Chunk(text))).content)

    with pytest.raises(Withheld):
        await say()
    assert "It is ".startswith("".join(said))


def test_a_pattern_that_is_none_of_re2s_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"guardrails\.output"):
        guard(patterns=[{"policy": "demo/a", "name": "n", "re2": "(?=x)", "action": "Deny"}])


async def screened_call(made: OutputGuard, **arguments: Any) -> dict[str, Any]:
    chunk = Chunk(finish_reason="tool_calls", tool_calls=(ToolCall("send", arguments),))
    (call,) = (await Screening(made, [].append).feed(chunk)).tool_calls
    return call.arguments


async def test_every_text_of_a_call_is_screened_and_the_rest_stays() -> None:
    found = await screened_call(
        GUARD, to=["anna@example.com", {"anna@example.com": None}], card=4111111111111111, count=3, now=True
    )
    assert "anna@example.com" not in str(found)
    assert "4111111111111111" not in str(found)
    assert (found["count"], found["now"]) == (3, True)
    clean = {"to": "Anna", "count": 3, "rate": 0.5}
    assert await screened_call(GUARD, **clean) == clean


async def test_a_call_that_bears_a_secret_is_denied() -> None:
    with pytest.raises(Withheld):
        await screened_call(guard(secrets=["Deny"]), body=f"The key is {KEY}.")
