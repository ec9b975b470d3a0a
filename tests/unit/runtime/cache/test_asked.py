import msgspec
import numpy as np

from regent_runtime.cache.asked import asked, read, written
from regent_runtime.cache.meaning import MOST_CHARACTERS
from regent_runtime.cache.sealed import Seal
from regent_runtime.state.contract import MOST_MEANING_BYTES

VECTOR = np.linspace(-1, 1, 384, dtype=np.float32)


def test_it_is_read_as_it_was_written() -> None:
    kept = asked("Why?", b"place", "ann", VECTOR)
    again = read(written(kept))
    assert again == kept
    assert again is not None
    assert again.vector.dtype == np.float32
    assert np.abs(again.vector - VECTOR).max() < 0.001


def test_what_another_version_or_embedder_wrote_is_none() -> None:
    kept = asked("Why?", b"place", "ann", VECTOR)
    others = (msgspec.structs.replace(kept, form="1 another"), asked("Why?", b"place", "ann", VECTOR[:5]))
    assert [read(written(each)) for each in others] == [None, None]
    assert [read(each) for each in (b"", b"x", written(kept)[:-1])] == [None] * 3


def test_the_longest_question_has_room_in_the_state() -> None:
    longest = asked("\U0001f600" * MOST_CHARACTERS, bytes(32), "0" * 32, VECTOR)
    assert len(Seal.of(bytes(32), b"secret").close(written(longest))) <= MOST_MEANING_BYTES
