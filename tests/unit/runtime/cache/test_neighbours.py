import numpy as np
import pytest

from regent_runtime.cache.neighbours import FEW, Neighbours


def units(count: int) -> np.ndarray:
    drawn = np.random.default_rng(3).standard_normal((count, 384)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [3, FEW, FEW + 50], ids=["few", "all-that-are-few", "many"])
def test_the_nearest_comes_first_with_its_cosine(count: int) -> None:
    vectors = units(count)
    made = Neighbours()
    for key, vector in enumerate(vectors):
        made.add(key, vector)
    assert len(made) == count
    (key, cosine), (_, next_cosine) = made.nearest(vectors[2], 2)
    assert key == 2
    assert cosine == pytest.approx(1.0, abs=0.01)
    assert next_cosine < 0.5
    made.remove(2)
    assert len(made) == count - 1
    assert made.nearest(vectors[2], 1)[0][0] != 2
