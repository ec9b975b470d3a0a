"""Finding answers by what a question means, with vectors that a test chooses."""

from collections.abc import Sequence

import numpy as np
import pytest

from regent_runtime.cache import semantic as module
from regent_runtime.cache.asked import Asked, asked
from regent_runtime.cache.embedder import Embedder, EmbedderAway
from regent_runtime.cache.place import Meant
from regent_runtime.cache.semantic import MOST_READS, Semantic
from regent_runtime.cache.shelf import Learnt

ASKED = "How can I buy a car?"
KEPT = "How do I purchase a car?"


class Vectors(Embedder):
    """Texts of a list share a direction; all others stand at right angles."""

    def __init__(self, *alike: Sequence[str], busy: bool = False) -> None:
        super().__init__()
        self._alike = alike
        self.busy = busy
        self._seen: dict[str, int] = {}

    async def vectors(self, texts: Sequence[str]) -> list:  # type: ignore[override]
        if self.busy:
            raise EmbedderAway
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> np.ndarray:
        made = np.zeros(384, dtype=np.float32)
        at = next((number for number, group in enumerate(self._alike) if text in group), None)
        made[self._seen.setdefault(text, 100 + len(self._seen)) if at is None else at] = 1.0
        return made


class Kept:
    """What the state holds; it tells two at once."""

    def __init__(self) -> None:
        self.asked: dict[bytes, list[Asked]] = {}
        self.reads = 0

    async def read(self, partition: bytes, after: str) -> Learnt:
        self.reads += 1
        begin = int(after or 0)
        some = self.asked.get(partition, [])[begin : begin + 2]
        return Learnt(str(begin + len(some)) if some else after, some, more=len(some) == 2)


class Pod(Semantic):
    def __init__(self, *alike: Sequence[str], kept: Kept | None = None, busy: bool = False, most: int = 100) -> None:
        self.kept = kept or Kept()
        super().__init__(0.85, Vectors(*alike, busy=busy), self.kept.read, most=most)


def meant(text: str, partition: str = "one") -> Meant:
    return Meant(text, partition.encode())


async def keep(semantic: Pod, text: str, name: str, partition: str = "one", owner: str = "ann") -> None:
    looked = await semantic.look(meant(text, partition))
    assert looked.vector is not None
    semantic.kept.asked.setdefault(partition.encode(), []).append(asked(text, name.encode(), owner, looked.vector))


async def found(semantic: Pod, text: str, partition: str = "one") -> bytes | None:
    alike = (await semantic.look(meant(text, partition))).alike
    return alike.place if alike else None


async def test_a_question_that_means_the_same_is_found() -> None:
    semantic = Pod([ASKED, KEPT])
    assert await found(semantic, ASKED) is None
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) == b"kept"


async def test_another_partition_is_another_world() -> None:
    semantic = Pod([ASKED, KEPT])
    await keep(semantic, KEPT, "kept", "other")
    assert await found(semantic, ASKED) is None


async def test_what_is_near_and_not_the_same_is_not_found() -> None:
    on, off = "How do I turn on dark mode?", "How do I turn off dark mode?"
    semantic = Pod([on, off])
    await keep(semantic, off, "off")
    assert await found(semantic, on) is None


async def test_what_is_left_of_both_has_to_be_near_too() -> None:
    rice, pasta = "How do I cook rice?", "How do I cook pasta?"
    semantic = Pod([rice, pasta])
    await keep(semantic, pasta, "pasta")
    assert await found(semantic, rice) is None
    assert await found(Pod(), rice) is None


async def test_less_than_the_least_similarity_is_nothing() -> None:
    semantic = Pod([ASKED])
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) is None


async def test_what_was_forgotten_is_not_found() -> None:
    semantic = Pod([ASKED, KEPT])
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) == b"kept"
    semantic.forget(b"kept")
    semantic.forget(b"unknown")
    semantic.kept.asked.clear()
    assert await found(semantic, ASKED) is None
    await keep(semantic, KEPT, "mine")
    assert await found(semantic, ASKED) == b"mine"
    semantic.forget_all("bob")
    assert await found(semantic, ASKED) == b"mine"
    semantic.forget_all("ann")
    semantic.kept.asked.clear()
    assert await found(semantic, ASKED) is None
    assert not semantic._partitions


async def test_it_is_bounded_and_the_oldest_goes() -> None:
    semantic = Pod([ASKED, KEPT], most=2)
    await keep(semantic, KEPT, "kept")
    await keep(semantic, "What is the time?", "time")
    assert await found(semantic, ASKED) == b"kept"
    await keep(semantic, "Who is the boss?", "boss")
    assert await found(semantic, ASKED) is None
    assert (len(semantic._known), len(semantic._at)) == (2, 2)


async def test_a_busy_embedder_finds_nothing_and_harms_nothing() -> None:
    assert (await Pod(busy=True).look(meant(ASKED))).vector is None


async def test_what_another_pod_was_asked_is_found_too_and_read_once() -> None:
    one = Pod([ASKED, KEPT])
    other = Pod([ASKED, KEPT], kept=one.kept)
    assert await found(other, ASKED) is None
    await keep(one, KEPT, "kept")
    assert await found(other, ASKED) == b"kept"
    other.kept.asked[b"one"][0] = asked(KEPT, b"again", "ann", np.zeros(384, dtype=np.float32))
    assert await found(other, ASKED) == b"kept"


async def test_a_look_reads_so_much_at_the_most_and_the_next_one_goes_on() -> None:
    one = Pod([ASKED, KEPT])
    for number in range(2 * MOST_READS):
        await keep(one, f"What is the {number}?", f"{number}")
    await keep(one, KEPT, "kept")
    late = Pod([ASKED, KEPT], kept=one.kept)
    one.kept.reads = 0
    assert await found(late, ASKED) is None
    assert one.kept.reads == MOST_READS
    assert await found(late, ASKED) == b"kept"
    assert one.kept.reads == MOST_READS + 1


class Forged(Kept):
    """Nothing of what it tells can be opened, but for what `asked` has behind it."""

    def __init__(self, pages: int = 1) -> None:
        super().__init__()
        self.pages = pages
        self.told: list[tuple[bytes, str]] = []

    async def read(self, partition: bytes, after: str) -> Learnt:
        self.told.append((partition, after))
        at = int(after or 0) + 1
        if at <= self.pages:
            return Learnt(str(at), more=at < self.pages)
        return Learnt(after, self.asked.get(partition, []))


async def test_what_cannot_be_opened_is_read_once() -> None:
    forged = Forged(pages=MOST_READS + 1)
    semantic = Pod([ASKED, KEPT], kept=forged)
    assert await found(semantic, ASKED) is None
    assert len(forged.told) == MOST_READS
    for _ in range(2):
        assert await found(semantic, ASKED) is None
    assert forged.told[MOST_READS:] == [(b"one", str(MOST_READS)), (b"one", str(MOST_READS + 1))]
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) == b"kept"
    assert not semantic._empty


async def test_a_partition_whose_questions_made_room_for_others_is_read_anew() -> None:
    """While it is read: another one's look remembers more in between."""
    semantic = Pod([ASKED, KEPT], most=1)
    await keep(semantic, KEPT, "kept")
    reader = semantic._read

    async def crowded(partition: bytes, after: str) -> Learnt:
        learnt = await reader(partition, after)
        if learnt.questions:
            return Learnt(learnt.reached, learnt.questions, more=True)
        while semantic._known:
            semantic._drop(next(iter(semantic._known)))
        return learnt

    semantic._read = crowded
    await semantic._catch_up(b"one")
    assert b"one" not in semantic._partitions
    assert not semantic._empty


async def test_no_more_partitions_without_questions_are_remembered_than_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_EMPTY", 2)
    forged = Forged()
    semantic = Pod(kept=forged)
    for partition in ("one", "two", "one", "three", "one", "two"):
        await found(semantic, ASKED, partition)
    assert [after for _, after in forged.told] == ["", "", "1", "", "1", ""]
    assert len(semantic._empty) == 2


async def test_partitions_in_which_nothing_was_asked_take_no_room() -> None:
    semantic = Pod()
    await found(semantic, ASKED)
    assert not semantic._empty


async def test_a_question_that_is_not_compared_reads_nothing() -> None:
    semantic = Pod()
    assert await found(semantic, "Wie spaet ist es?") is None
    assert semantic.kept.reads == 0
