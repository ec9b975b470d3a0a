"""What the guards of input cost, beside a bare scan of the same bytes by the same set of patterns.

Best of several rounds, in CPU time of the thread; trust the ratios.
"""

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from regent_runtime.dialect.chat_completions.request import parse
from regent_runtime.guard import house, injection, special_tokens
from regent_runtime.guard.decoding import views
from regent_runtime.guard.escaping import blocks
from regent_runtime.guard.input import InputGuard
from regent_runtime.guard.parts import parts
from regent_runtime.guard.patternset import PatternSet
from regent_runtime.record import TurnRecord
from regent_runtime.withheld import Withheld
from tests.bench.guards import corpora
from tests.bench.holding import longest_hold
from tests.fakes import configs

ROUNDS = 15
KB = 1024
MB = 1024 * KB
LINEAR = "<= 2.3"


@dataclass(frozen=True)
class Row:
    what: str
    value: float
    unit: str
    ratio: float | None
    """To the bare scan."""
    goal: str


def ascii_text(size: int) -> str:
    """Prose: mails, manuals and descriptions, one after the other."""
    prose = "\n\n".join(text for _, text in corpora.outside() if text.isascii())
    return (prose * (size // len(prose) + 1))[:size]


def other_text(size: int) -> str:
    """German, Russian, Greek and Chinese, `size` bytes of UTF-8."""
    prose = (
        "Die Größe der Übertragung überschreitet die zulässige Höchstgrenze, bitte prüfen Sie Ihre Anhänge. "
        "Съешь же ещё этих мягких французских булок да выпей чаю. Το σύστημα δεν απαντά από χθες το πρωί. "
        "今天天气很好，我们去公园散步吧。会议改到下周二上午十点。"
    )
    return (prose * (size // len(prose.encode()) + 1)).encode()[:size].decode("utf-8", "ignore")


def best(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest round."""
    return min(timed(work) for _ in range(ROUNDS))


def timed(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def pair(work: Callable[[str], object], text: str) -> tuple[float, float]:
    """CPU seconds of half a text and of all of it, one right after the other."""
    half = text[: len(text) // 2]
    return timed(lambda: work(half)), timed(lambda: work(text))


def growth(pairs: Iterable[tuple[float, float]]) -> float:
    """t(2n)/t(n), the middle of all rounds."""
    return median(twice / once for once, twice in pairs)


def normaliser(text: str) -> None:
    for _ in parts(text):
        pass


def escaper(text: str) -> None:
    """As a caller's text is escaped that holds tokens, block by block."""
    for block in blocks(text):
        special_tokens.escape(block)


def marked_up(size: int) -> str:
    """Prose with a special token in each KB."""
    prose = ascii_text(KB - 16)
    return f"{prose} <|im_start|>\n" * (size // KB)


def patterns(text: str) -> None:
    plain, loose = _SETS
    for part in parts(text):
        for view in views(part.matched) if part.folded else ():
            (loose if view.loose else plain).match(view.text)
        special_tokens.found(part.matched)


def model(text: str) -> None:
    tokens: list[bytes] = []
    for part in parts(text):
        tokens += injection.tokens_of(part.folded.encode())
        list(injection.model().scores(tokens, more=part.end < len(text)))


_SETS = PatternSet(house.plain()), PatternSet(house.loose())


def rows() -> list[Row]:
    sample, other = ascii_text(32 * KB), other_text(32 * KB)
    bare = best(lambda: _SETS[0].match(sample.encode())) / 32 * 1e6
    made = [Row("bare re2.Set scan", bare, "us/KB", None, "")]
    for what, work, goal in (
        ("patterns, ASCII", lambda: patterns(sample), "<= 50"),
        ("patterns, other", lambda: patterns(other), "<= 250"),
        ("model, ASCII", lambda: model(sample), "<= 200"),
        ("model, other", lambda: model(other), "<= 200"),
    ):
        cost = best(work) / 32 * 1e6
        made.append(Row(what, cost, "us/KB", cost / bare, goal))
    whole = ascii_text(MB)
    pairs = [pair(patterns, whole) for _ in range(ROUNDS)]
    twice = min(twice for _, twice in pairs)
    made += [
        Row("patterns, 1 MB", twice * 1e3, "ms", twice * 1e6 / KB / bare, "<= 300"),
        Row("patterns, t(2n)/t(n)", growth(pairs), "", None, LINEAR),
        *(
            Row(f"{what}, t(2n)/t(n)", growth([pair(work, text) for _ in range(ROUNDS)]), "", None, LINEAR)
            for what, work, text in (
                ("normaliser", normaliser, other_text(256 * KB)),
                ("escaper", escaper, marked_up(256 * KB)),
                ("model", model, ascii_text(128 * KB)),
            )
        ),
        Row("the loop held, 1 MB of prose", hold(whole), "ms", None, "<= 5"),
        Row("the loop held, combining marks alone", longest(MARKS), "ms", None, "<= 5"),
        Row("the loop held, letters with marks", longest(MARKED), "ms", None, "<= 5"),
        Row("the loop held, other hostile texts", longest(HOSTILE), "ms", None, "<= 5"),
        Row("the loop held, a slow pattern of users", hold("ab" * 4 * KB, SLOW), "ms", None, "<= 5"),
    ]
    return made


MARKS = (
    "\u0301",
    "\u0301\u0323",
    "\u0345\u0362\u0315\u0301\u0323\u0327\u0334",
    "\u05b0\u05bc",
    "\uff9e",
    "\u0344",
    "\u20dd\u200b",
)
"""Each over and over: of one class, of several in the order that must be sorted most, of other scripts, that come apart,
with what is invisible between them."""
MARKED = tuple(
    "e" + count * mark + end
    for count in (1, 7, 8, 40)
    for mark, end in (("\u0301", ""), ("\u0301", " "), ("\u0301\u0323", ""))
)
"""The same behind letters, in runs that are kept and in longer ones."""
HOSTILE = (
    *("a1 ", "@a ", "!", "< ", "<s> ", "<s>\u0301 ", "\ufdfa", "\ufdfa\u200b"),
    *("&CounterClockwiseContourIntegrals", "QWxsIHRoZSBwcmV2 ", "4142434445464748 ", "a b c d e,"),
)
"""Each over and over: what costs most of what we know."""
SLOW = "(?:a.{1,30}){30}z"
"""A pattern whose automaton has a new state at nearly every byte."""


def longest(texts: Iterable[str]) -> float:
    """Milliseconds that the loop is held, at most, by 64 KiB of any of them."""
    return max(hold(each * (64 * KB // len(each))) for each in texts)


def hold(text: str, *patterns: str) -> float:
    """Milliseconds that screening a text holds the loop, at most."""
    users = [
        {"policy": "a/b", "name": str(index), "re2": each, "action": "Deny"} for index, each in enumerate(patterns)
    ]
    policy = {"guardrails": {"input": {"injection": {"patterns": ["Audit"]}, "patterns": users}}}
    guard = InputGuard(configs.config(configs.provider_config("bench", "http://127.0.0.1:1/v1"), policy=policy))
    request = parse(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())

    async def screened() -> None:
        with suppress(Withheld):
            await guard.screen(request, TurnRecord())

    return longest_hold(screened)
