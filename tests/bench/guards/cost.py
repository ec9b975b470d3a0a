"""What the guards of input cost, beside a bare scan of the same bytes by the same set of patterns.

Best of several rounds, in CPU time of the thread; trust the ratios. How long the event loop is held is wall time, so
it holds whatever else the machine does.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from regent_runtime.guard import house, injection, special_tokens
from regent_runtime.guard.decoding import views
from regent_runtime.guard.input import PIECE, InputGuard, pieces
from regent_runtime.guard.normalise import fold
from regent_runtime.guard.patternset import PatternSet
from regent_runtime.wire.request import parse
from tests.bench.guards import corpora
from tests.fakes import configs

ROUNDS = 15
KB = 1024
MB = 1024 * KB


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
    taken = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return min(taken)


def patterns(text: str) -> None:
    plain, loose = _SETS
    for _, piece in pieces(text):
        folded = fold(piece)
        for view in views(folded):
            (loose if view.loose else plain).match(view.text)
        special_tokens.found(folded)


def model(text: str) -> None:
    for _, piece in pieces(text):
        injection.model().score(fold(piece).encode())


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
    once = best(lambda: patterns(whole[: MB // 2]))
    twice = best(lambda: patterns(whole))
    made += [
        Row("patterns, 1 MB", twice * 1e3, "ms", twice * 1e6 / KB / bare, "<= 300"),
        Row("t(2n)/t(n)", twice / once, "", None, "<= 2.3"),
        Row("a piece between two turns of the loop", asyncio.run(longest_hold()) * 1e3, "ms", None, "<= 5"),
        Row("characters of a piece", float(PIECE), "", None, ""),
    ]
    return made


async def longest_hold() -> float:
    """CPU seconds that the loop's thread works at a stretch, at most, while 1 MB is screened whole."""
    guard = InputGuard(configs.config(configs.provider_config("bench", "http://127.0.0.1:1/v1")))
    body = json.dumps({"messages": [{"role": "user", "content": ascii_text(MB)}]}).encode()
    request = parse(body)
    held: list[float] = []

    async def others() -> None:
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            held.append(time.thread_time() - begun)

    beside = asyncio.create_task(others())
    await guard._look(request)
    beside.cancel()
    held.sort()
    return held[int(len(held) * 0.99)]
