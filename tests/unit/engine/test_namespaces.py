from typing import Any

from regent_operator.engine.namespaces import Namespaces
from regent_operator.engine.resources import NAMESPACES


def namespace(labels: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n", "uid": "1", "labels": labels} | more}


def test_a_change_of_labels_is_told_once() -> None:
    told: list[str] = []
    known = Namespaces(told.append)
    for labels in ({"a": "1"}, {"a": "1"}, {"a": "2"}):
        known.seen(NAMESPACES, namespace(labels), full=False)
    assert told == ["n", "n"]
    assert known.labels("n") == {"a": "2"}
    assert known.labels("other") is None


def test_a_namespace_that_is_being_deleted_ends_until_it_is_gone() -> None:
    told: list[str] = []
    known = Namespaces(told.append)
    known.seen(NAMESPACES, namespace({}), full=False)
    assert not known.ends("n")
    told.clear()
    known.seen(NAMESPACES, namespace({}, deletionTimestamp="2026-01-01T00:00:00Z"), full=False)
    assert known.ends("n")
    assert told == ["n"], "its agents are looked at once more"
    known.gone(NAMESPACES, "", "n", "1")
    assert not known.ends("n")
    assert known.labels("n") is None
