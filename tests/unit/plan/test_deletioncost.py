import pytest

from regent_operator.plan.deletioncost import ANNOTATION, bucket, cost_of


@pytest.mark.parametrize(("conversations", "cost"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (63, 32), (64, 64)])
def test_costs_are_powers_of_two(conversations: int, cost: int) -> None:
    assert bucket(conversations) == cost


def test_a_pod_that_bears_none_or_nonsense_costs_nothing() -> None:
    assert [cost_of(notes) for notes in ({ANNOTATION: "-7"}, {}, {ANNOTATION: "many"})] == [-7, 0, 0]
