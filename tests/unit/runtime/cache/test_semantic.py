"""Finding answers by what a question means, with vectors that a test chooses."""

from collections.abc import Sequence

import numpy as np

from regent_runtime.cache.embedder import Embedder, EmbedderBusy
from regent_runtime.cache.place import Meant, Place
from regent_runtime.cache.semantic import Semantic

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
            raise EmbedderBusy
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> np.ndarray:
        made = np.zeros(384, dtype=np.float32)
        at = next((number for number, group in enumerate(self._alike) if text in group), None)
        made[self._seen.setdefault(text, 100 + len(self._seen)) if at is None else at] = 1.0
        return made


def place(name: str, owner: str = "ann") -> Place:
    return Place(name.encode(), owner, 60.0)


def meant(text: str, partition: str = "one") -> Meant:
    return Meant(text, partition.encode())


async def keep(semantic: Semantic, text: str, name: str, partition: str = "one", owner: str = "ann") -> None:
    looked = await semantic.look(meant(text, partition))
    assert looked.vector is not None
    semantic.remember(meant(text, partition), place(name, owner), looked.vector)


async def found(semantic: Semantic, text: str, partition: str = "one") -> bytes | None:
    alike = (await semantic.look(meant(text, partition))).alike
    return alike.place.digest if alike else None


async def test_a_question_that_means_the_same_is_found() -> None:
    semantic = Semantic(0.85, Vectors([ASKED, KEPT]))
    assert await found(semantic, ASKED) is None
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) == b"kept"


async def test_another_partition_is_another_world() -> None:
    semantic = Semantic(0.85, Vectors([ASKED, KEPT]))
    await keep(semantic, KEPT, "kept", "other")
    assert await found(semantic, ASKED) is None


async def test_what_is_near_and_not_the_same_is_not_found() -> None:
    on, off = "How do I turn on dark mode?", "How do I turn off dark mode?"
    semantic = Semantic(0.85, Vectors([on, off]))
    await keep(semantic, off, "off")
    assert await found(semantic, on) is None


async def test_what_is_left_of_both_has_to_be_near_too() -> None:
    rice, pasta = "How do I cook rice?", "How do I cook pasta?"
    semantic = Semantic(0.85, Vectors([rice, pasta]))
    await keep(semantic, pasta, "pasta")
    assert await found(semantic, rice) is None
    assert await found(Semantic(0.85, Vectors()), rice) is None


async def test_less_than_the_least_similarity_is_nothing() -> None:
    semantic = Semantic(0.85, Vectors([ASKED]))
    await keep(semantic, KEPT, "kept")
    assert await found(semantic, ASKED) is None


async def test_what_was_forgotten_is_not_found() -> None:
    semantic = Semantic(0.85, Vectors([ASKED, KEPT]))
    await keep(semantic, KEPT, "kept")
    semantic.forget(place("kept"))
    semantic.forget(place("unknown"))
    assert await found(semantic, ASKED) is None
    await keep(semantic, KEPT, "mine")
    semantic.forget_all("bob")
    assert await found(semantic, ASKED) == b"mine"
    semantic.forget_all("ann")
    assert await found(semantic, ASKED) is None
    assert not semantic._partitions


async def test_it_is_bounded_and_the_oldest_goes() -> None:
    semantic = Semantic(0.85, Vectors([ASKED, KEPT]), most=2)
    await keep(semantic, KEPT, "kept")
    await keep(semantic, "What is the time?", "time")
    assert await found(semantic, ASKED) == b"kept"
    await keep(semantic, "Who is the boss?", "boss")
    assert await found(semantic, ASKED) is None
    assert (len(semantic._known), len(semantic._at)) == (2, 2)


async def test_a_busy_embedder_finds_nothing_and_harms_nothing() -> None:
    vectors = Vectors(busy=True)
    assert (await Semantic(0.85, vectors).look(meant(ASKED))).vector is None
