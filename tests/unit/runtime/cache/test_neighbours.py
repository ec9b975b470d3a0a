import numpy as np
import pytest

from regent_runtime.cache.neighbours import MOST_COMPARED, Neighbours

COUNTS = pytest.mark.parametrize(
    "count", [3, MOST_COMPARED, MOST_COMPARED + 50], ids=["few", "all-that-are-compared", "many"]
)


def units(count: int, seed: int = 3) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def of(vectors: np.ndarray) -> Neighbours:
    made = Neighbours()
    for key, vector in enumerate(vectors):
        made.add(key, vector)
    return made


@COUNTS
def test_the_nearest_comes_first_with_its_cosine(count: int) -> None:
    vectors = units(count)
    made = of(vectors)
    assert len(made) == count
    near = vectors[2] + 0.5 * units(1, seed=4)[0]
    key, cosine = made.nearest(near / np.linalg.norm(near), 2)[0]
    assert key == 2
    assert cosine == pytest.approx(float(vectors[2] @ near / np.linalg.norm(near)), abs=0.001)
    made.remove(2)
    assert len(made) == count - 1
    assert 2 not in dict(made.nearest(vectors[2], 4))


@COUNTS
def test_of_several_that_are_near_each_comes_in_its_order(count: int) -> None:
    vectors = units(count)
    vectors[:3] = vectors[0] + np.array([[0.1], [0.2], [0.3]]) * units(3, seed=5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = of(vectors).nearest(vectors[0], 3)
    assert [key for key, _ in found] == [0, 1, 2]


def test_more_that_are_alike_than_are_compared_are_found_all_the_same() -> None:
    made = of(np.repeat(units(1), 2 * MOST_COMPARED, axis=0))
    assert [round(cosine, 2) for _, cosine in made.nearest(units(1)[0], 4)] == [1.0] * 4


def test_an_opposite_vector_hides_nobody() -> None:
    vectors = units(MOST_COMPARED + 50)
    vectors[1] = -vectors[0]
    assert of(vectors).nearest(vectors[0], 1)[0][0] == 0


def test_whatever_comes_and_goes_those_that_are_there_are_found_and_take_no_more_room_than_they_need() -> None:
    vectors, chance = units(600), np.random.default_rng(6)
    made, there = Neighbours(), set[int]()
    for key in [*range(600), *chance.permutation(600)]:
        if key in there:
            made.remove(key)
            there.remove(key)
        else:
            made.add(key, vectors[key])
            there.add(key)
        assert len(made) == len(there)
        assert len(made._vectors) <= max(1, 4 * len(there))
        for some in list(there)[:1]:
            assert made.nearest(vectors[some], 1)[0][0] == some
    made.remove(5)
    assert made.nearest(vectors[5], 4) == []
