"""The bounds of what a process keeps; what conversations do, the contract's tests say of both states."""

from regent_api.types import Sensitivity
from regent_runtime.state.contract import Conversation, Visit
from regent_runtime.state.conversations import Conversations

VISIT = Visit("one", 120.0)


def test_where_there_is_no_room_the_least_recently_used_goes() -> None:
    kept = Conversations(lambda: 0.0, most=3, most_of_an_owner=2)
    for name in ("a-1", "b-1", "c-1"):
        kept.begin(Conversation(name, name[0], Sensitivity.PUBLIC, "n"), VISIT)
    kept.recall("a-1", "a")
    kept.begin(Conversation("d-1", "d", Sensitivity.PUBLIC, "n"), VISIT)
    assert [kept.recall(name, name[0]) is not None for name in ("a-1", "b-1", "c-1", "d-1")] == [
        True,
        False,
        True,
        True,
    ]


def test_a_caller_that_never_comes_back_to_one_leaves_nothing_behind() -> None:
    kept = Conversations(lambda: 0.0, most=100, most_of_an_owner=2)
    for number in range(1000):
        kept.begin(Conversation(f"a-{number}", "a", Sensitivity.PUBLIC, "n"), VISIT)
    assert (len(kept._kept), len(kept._owned["a"])) == (2, 2)
    assert kept.forget_all("a") == 2
    assert (kept._kept, kept._owned) == ({}, {})
