"""Answers and meanings in the state of the pod."""

from pathlib import Path

from regent_api.policy import StateError
from regent_runtime.cache.shelf import Shelf
from regent_runtime.credentials import Credentials
from regent_runtime.state.contract import MEANINGS_AT_ONCE, Meaning
from regent_runtime.state.pod import PodState
from regent_runtime.state.source import StateInUse
from tests.fakes import configs


async def test_a_page_without_a_question_is_not_the_last() -> None:
    """None of these is one that this version reads."""
    state = PodState()
    shelf = Shelf(
        configs.config(), StateInUse(state, state, StateError.DENY, lambda: None), Credentials(Path("/nowhere"))
    )
    for number in range(MEANINGS_AT_ONCE + 1):
        await state.keep_answer(f"{number}", "ann", b"yes", 60, Meaning(b"one".hex(), b"none"))
    first = await shelf.questions(b"one", "")
    assert (list(first.questions), first.more) == ([], True)
    second = await shelf.questions(b"one", first.reached)
    assert (list(second.questions), second.more) == ([], False)
    assert second.reached != first.reached
