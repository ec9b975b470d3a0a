from dataclasses import replace

from regent_operator.plan.reading import read
from tests.unit.plan.samples import FLOOR_NAMESPACE, for_all, policy


def test_an_object_is_read_once() -> None:
    one = for_all("base", size={"maxOutputTokens": 5})
    assert read(one, FLOOR_NAMESPACE) is read(one, FLOOR_NAMESPACE)


def test_another_version_of_the_object_is_read_anew() -> None:
    one = for_all("base", size={"maxOutputTokens": 5})
    edited = replace(one, spec=for_all("base", size={"maxOutputTokens": 6}).spec)
    assert read(one, FLOOR_NAMESPACE).digest != read(edited, FLOOR_NAMESPACE).digest


def test_the_same_object_is_another_policy_to_another_operator() -> None:
    misplaced = policy("base", selector={"namespaces": {}})
    assert read(misplaced, FLOOR_NAMESPACE).error is not None
    assert read(misplaced, "acme").error is None
