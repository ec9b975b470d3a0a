import pytest

from regent_operator.plan.trial import HOLDS, OPEN, CanarySaid, Trial, Wall, judge

OWN = "10.211.0.9"


def judged(
    outcome: str | None, address: str = OWN, *, own: str = OWN, listening: bool = True, arrived: bool = False
) -> Trial:
    said = None if outcome is None else CanarySaid(address, outcome)
    return judge(said, own=own, listening=listening, arrived=arrived)


def test_a_connection_that_did_not_come_through_where_it_could_have_shows_the_wall() -> None:
    assert judged("blocked") == HOLDS


@pytest.mark.parametrize("address", ["::ffff:10.211.0.9", "10.211.0.9"])
def test_an_address_is_the_same_however_it_is_written(address: str) -> None:
    assert judged("blocked", address) == HOLDS
    assert judged("blocked", "fd00::1", own="fd00:0:0::1") == HOLDS


@pytest.mark.parametrize("listening", [True, False])
def test_one_that_came_through_needs_no_other_proof(listening: bool) -> None:
    assert judged("reached", listening=listening) == OPEN
    assert judged("reached", "10.210.0.2", listening=listening) == OPEN


@pytest.mark.parametrize("outcome", ["blocked", "untried", None])
def test_what_arrived_counts_whatever_the_pod_says(outcome: str | None) -> None:
    assert judged(outcome, arrived=True) == OPEN


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        (judged("blocked", listening=False), "could not be reached by the operator either"),
        (judged("blocked", "10.210.0.2"), "another address"),
        (judged("blocked", "nonsense"), "another address"),
        (judged("untried"), "could not try"),
        (judged("busy"), "could not try"),
        (judged(None), "older runtime"),
    ],
)
def test_silence_alone_proves_nothing(trial: Trial, why: str) -> None:
    assert trial.wall is Wall.UNPROVED
    assert why in trial.why
