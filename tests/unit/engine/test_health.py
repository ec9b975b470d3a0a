import pytest

from regent_operator.engine.health import HEARTBEAT_SECONDS, LONGEST_RUN_SECONDS, STILL_SECONDS, Progress

FINE = {"heartbeat_age": 1.0, "leads": True, "still": 0.5, "longest_run": 0.2}


def test_a_process_that_moves_is_alive() -> None:
    assert Progress(**FINE).stuck() is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "value"),
    [("heartbeat_age", HEARTBEAT_SECONDS), ("still", STILL_SECONDS), ("longest_run", LONGEST_RUN_SECONDS)],
)
def test_a_process_in_which_something_stands_still_is_not(what: str, value: float) -> None:
    assert Progress(**FINE | {what: value + 1}).stuck()  # type: ignore[arg-type]
    assert Progress(**FINE | {what: value - 1}).stuck() is None  # type: ignore[arg-type]


def test_a_standby_s_queue_may_wait() -> None:
    assert Progress(**FINE | {"leads": False, "still": STILL_SECONDS + 1}).stuck() is None  # type: ignore[arg-type]
