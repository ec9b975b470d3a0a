"""The cache: what a hit costs at a million answers, what the index costs beside brute force, and whether the guards of
meaning hold. `make bench-cache`; JSON with `--json`.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from regent_api.policy import StateError
from regent_api.types import Sensitivity
from regent_runtime.access.classes import treatment
from regent_runtime.cache.embedder import DIMENSIONS, Embedder, EmbedderAway, embedded
from regent_runtime.cache.entry import decode, encode, entry
from regent_runtime.cache.meaning import LEAST_NEARNESS_OF_REST, Wording, objection, rest
from regent_runtime.cache.neighbours import Neighbours
from regent_runtime.cache.place import Meant, Place, Question, place
from regent_runtime.cache.semantic import Semantic
from regent_runtime.cache.shelf import Shelf
from regent_runtime.callers.caller import Caller, CallerKind
from regent_runtime.credentials import Credentials
from regent_runtime.dialect.chat_completions import request as wire_request
from regent_runtime.state.answers import Answers
from regent_runtime.state.pod import PodState
from regent_runtime.state.source import StateInUse
from tests.fakes import configs

QUESTIONS = Path(__file__).parent / "questions"
LEAST = 0.85
ENTRIES = 1_000_000
SIZES = (1_000, 10_000, 100_000)
LOOKS = 500
CROWD = 5


def pairs(name: str) -> list[tuple[str, str]]:
    """The last two columns of a committed set."""
    lines = (QUESTIONS / name).read_text().splitlines()
    return [(row[-2], row[-1]) for line in lines if not line.startswith("#") and (row := line.split(" | "))]


def meaning() -> dict[str, Any]:
    """Of each half of both sets: how many pairs are near, and how many of those the guards let be the same."""
    found: dict[str, Any] = {}
    for name in ("different.txt", "paraphrases.txt"):
        every = pairs(name)
        for half, first in (("tuned", 0), ("held out", 1)):
            some = every[first::2]
            near = [(one, other) for one, other in some if _near(one, other) >= LEAST]
            same = [each for each in near if _same(*each)]
            found[f"{name.removesuffix('.txt')}, {half}"] = {"pairs": len(some), "near": len(near), "same": len(same)}
    return found


def _same(one: str, other: str) -> bool:
    here, there = Wording(one), Wording(other)
    if not (here.comparable and there.comparable) or objection(here, there):
        return False
    parts = rest(here, there)
    return parts is None or _near(*parts) >= LEAST_NEARNESS_OF_REST


def _near(one: str, other: str) -> float:
    mine, theirs = embedded([one, other])
    return float(mine @ theirs)


def exact(entries: int = ENTRIES) -> dict[str, float]:
    """Microseconds of CPU of an exact hit, from the request as understood to the entry, beside an empty table."""
    made = configs.config(
        configs.provider_config("one", "http://127.0.0.1:1/v1", temperature=0.2),
        policy={"cache": {"maxSensitivity": "Internal"}},
    )
    treated = treatment(made, Sensitivity.INTERNAL, Sensitivity.INTERNAL)
    body = {"messages": [{"role": "user", "content": "How do I reset my password?"}]}
    request = wire_request.parse(json.dumps(body).encode())
    caller = Caller(CallerKind.SERVICE_ACCOUNT, "demo", "ann")
    asked = Question(caller, treated, "all", made.route.providers, request, anonymised=False)
    digest = made.digests().config
    kept = encode(entry("Open the settings and choose a new one." * 4, "one", "one-model", None))

    def question(number: int) -> Question:
        messages = [{"role": "user", "content": f"How do I reset my password for account {number}?"}]
        return replace(asked, request=replace(request, messages=messages))

    def hit(answers: Answers, question: Question) -> None:
        content = answers.kept(place(made, digest, question).digest.hex())
        assert content is not None
        assert decode(content)

    cost = {}
    for count in (1_000, entries):
        answers = Answers(time.monotonic, most_bytes=2**40)
        for number in range(count):
            answers.keep(place(made, digest, question(number)).digest.hex(), "ann", kept, 86_400.0)
        asks = [question(number * (count // 1_000)) for number in range(1_000)]
        rounds = []
        for _ in range(7):
            began = time.process_time()
            for each in asks:
                hit(answers, each)
            rounds.append((time.process_time() - began) / len(asks) * 1e6)
        cost[f"{count}"] = median(rounds)
    return cost


def index(sizes: Sequence[int] = SIZES) -> list[dict[str, float]]:
    """For each size of a partition: the CPU of a look by brute force (numpy) and by the index, and how often both agree.

    Vectors are drawn with the mean and the covariance that the embedder gives to the committed questions; looks are
    noisy copies of members, at a cosine of about 0.9, as a paraphrase is. In a crowd each member has four more about
    itself that are as near to it. Both searches have one thread (the Makefile says so to numpy): with two, their CPU
    could not be compared.
    """
    texts = sorted({text for name in ("different.txt", "paraphrases.txt") for pair in pairs(name) for text in pair})
    draw = _Drawn(np.array(embedded(texts)))
    return [_row(draw, size, crowd=crowd) for size in sizes for crowd in (1, CROWD)]


class _Drawn:
    def __init__(self, real: Any) -> None:
        self._random = np.random.default_rng(7)
        self._mean = real.mean(0)
        _, spread, self._axes = np.linalg.svd(real - self._mean, full_matrices=False)
        self._spread = spread / np.sqrt(len(real))

    def noise(self, count: int) -> Any:
        return (self._random.standard_normal((count, len(self._spread))) * self._spread) @ self._axes

    def members(self, count: int, crowd: int = 1) -> Any:
        alone = _unit(self._mean + self.noise(count // crowd))
        return alone if crowd == 1 else np.concatenate([alone, self.near(alone, count - len(alone))])

    def near(self, members: Any, count: int) -> Any:
        some = members[self._random.integers(0, len(members), count)]
        return _unit(some + 0.48 * _unit(self.noise(count)))


def _unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _row(draw: _Drawn, size: int, *, crowd: int) -> dict[str, float]:
    members = draw.members(size, crowd)
    looks = draw.near(members, LOOKS)
    neighbours = Neighbours()
    began = time.process_time()
    for key, vector in enumerate(members):
        neighbours.add(key, vector)
    adding = (time.process_time() - began) / size * 1e6

    def brute(look: Any) -> int:
        return int(np.argmax(members @ look))

    def graph(look: Any) -> int:
        return neighbours.nearest(look, 1)[0][0]

    both: dict[Callable[[Any], int], list[float]] = {brute: [], graph: []}
    same = 0
    for look in looks:
        found = []
        for search, times in both.items():  # interleaved, so that whatever else runs disturbs both
            start = time.process_time()
            found.append(search(look))
            times.append((time.process_time() - start) * 1e6)
        same += found[0] == found[1]
    numpy_us, index_us = median(both[brute]), median(both[graph])
    return {
        "vectors": size,
        "crowd": crowd,
        "numpy us": round(numpy_us, 1),
        "index us": round(index_us, 1),
        "ratio": round(numpy_us / index_us, 1),
        "recall@1": round(same / len(looks), 4),
        "cosine": round(float(median(float((members @ look).max()) for look in looks[:50])), 3),
        "adding us": round(adding, 1),
    }


async def catching_up(count: int = 1_000) -> float:
    """Microseconds of CPU a question that one pod was asked and another learns: read, opened, and put into its index.

    The state is the pod's own, so what Redis and the way to it take is left out.
    """
    made = configs.config(configs.provider_config("one", "http://127.0.0.1:1/v1"))
    state = PodState(most_answer_bytes=2**40)
    state.shared = True
    shelf = Shelf(made, StateInUse(state, state, StateError.DENY, lambda: None), Credentials(Path("/nowhere")))
    vectors = _unit(np.random.default_rng(7).standard_normal((count, DIMENSIONS)))
    kept = entry("Open the settings and choose a new one." * 4, "one", "one-model", None)
    for number, vector in enumerate(vectors):
        meant = Meant(f"How do I reset my password for account {number}?", b"partition")
        await shelf.put(Place(b"%d" % number, "ann", 3600.0, meant), kept, vector)
    rounds = []
    for _ in range(7):
        late = Semantic(LEAST, _Busy(), shelf.questions)
        began = time.process_time()
        await late.look(meant)
        rounds.append((time.process_time() - began) / count * 1e6)
        assert len(late._known) == count
    return median(rounds)


class _Busy(Embedder):
    async def vectors(self, texts: Sequence[str]) -> Any:
        raise EmbedderAway


async def sentence(count: int = 50) -> float:
    """Milliseconds of CPU to embed a question."""
    embedded(["warm"])
    began = time.process_time()
    for number in range(count):
        await asyncio.to_thread(embedded, [f"How do I reset my password for account {number}?"])
    return (time.process_time() - began) / count * 1e3


def run() -> dict[str, Any]:
    return {
        "exact hit, us CPU": exact(),
        "meaning": meaning(),
        "index": index(),
        "catching up, us CPU": round(asyncio.run(catching_up()), 1),
        "sentence, ms CPU": round(asyncio.run(sentence()), 1),
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    for count, cost in found["exact hit, us CPU"].items():
        yield f"exact hit at {count} answers: {cost:.1f} us CPU (goal at 1000000: 25)"
    for name, counts in found["meaning"].items():
        share = counts["same"] / max(counts["near"] if name.startswith("para") else counts["pairs"], 1)
        of = "of the near ones" if name.startswith("para") else "of all (goal 1 %)"
        yield (
            f"{name}: {counts['pairs']} pairs, {counts['near']} at {LEAST} or nearer, {counts['same']} taken for the same: "
            f"{share:.1%} {of}{' (goal 80 %)' if name.startswith('para') else ''}"
        )
    for row in found["index"]:
        yield f"index of {DIMENSIONS} dimensions: " + ", ".join(f"{name} {value}" for name, value in row.items())
    yield f"a question learnt from another pod: {found['catching up, us CPU']} us CPU"
    yield f"one question embedded: {found['sentence, ms CPU']} ms CPU"


def main() -> None:
    found = run()
    say = partial(print, flush=True)
    if "--json" in sys.argv:
        say(json.dumps(found, indent=1))
        return
    for line in lines(found):
        say(line)


if __name__ == "__main__":
    main()
