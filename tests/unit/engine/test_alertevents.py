from regent_operator.engine.alertevents import AlertEvents
from regent_operator.engine.events import Occurrence
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import PODS
from regent_operator.plan.echo import AlertFigures, Echo
from tests.unit.engine.test_pods import REPLICA_SET, A, pod


def told(
    *figures: tuple[int, int], gone: bool = False, controlled: bool = True, fired_at: int | None = None
) -> list[tuple[str, str]]:
    """(reason, note) of the Events of a pod that says these figures of one alert, one after the other, at 1000."""
    occurred: list[Occurrence] = []
    events = AlertEvents(occurred.append, lambda _: None if gone else "agent-uid", lambda: 1000.0)
    pods = Pods(lambda _: None, lambda _: None, events.heard)
    pods.seen(PODS, pod(1, owners=(REPLICA_SET,) if controlled else ()), full=True)
    for fired, failed in figures:
        pods.echoed("u", Echo("u", alerts=(AlertFigures("n/strict", "intruder", fired, failed, fired_at),)))
    assert all((each.regarding, each.uid, each.type) == (A, "agent-uid", "Warning") for each in occurred)
    return [(each.reason, each.note) for each in occurred]


FIRED = ("AlertFired", "the alert intruder of policy n/strict has matched")
FAILED = (
    "AlertFailed",
    "the alert intruder of policy n/strict could not be evaluated or delivered; the pods' log says why",
)


def test_an_alert_that_fires_is_an_event_that_can_be_counted() -> None:
    assert told((0, 0), (1, 0), (1, 0), (9, 0)) == [FIRED, FIRED]


def test_a_delivery_that_was_given_up_is_one_too() -> None:
    assert told((0, 0), (1, 1)) == [FIRED, FAILED]


def test_the_first_figures_of_a_pod_are_no_news() -> None:
    assert told((7, 2)) == []


def test_unless_the_match_was_a_moment_ago() -> None:
    assert told((7, 2), fired_at=960) == [FIRED]
    assert told((7, 2), fired_at=900) == []


def test_a_pod_that_begins_anew_is_counted_anew() -> None:
    assert told((7, 0), (0, 0), (1, 0)) == [FIRED]


def test_nothing_is_told_of_an_agent_that_is_gone_or_by_a_pod_that_is_not_believed() -> None:
    assert told((0, 0), (1, 0), gone=True) == told((0, 0), (1, 0), controlled=False) == []
