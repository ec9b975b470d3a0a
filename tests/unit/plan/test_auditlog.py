"""AuditLogBroken: which pods, why, and what to do next."""

import pytest

from regent_api.status import ConditionStatus
from regent_operator.plan.auditlog import MOST_NAMED, audit_log
from regent_operator.plan.echo import Echo, echo_of
from regent_operator.plan.observation import LogFinding, Observation, PodSeen


def pod(number: int = 1, failing: str = "", *, content_refused: bool = False) -> PodSeen:
    echo = Echo(f"u{number}", log_failing=failing, content_refused=content_refused)
    return PodSeen(f"helper-{number}", f"u{number}").with_echo(echo)


def said(*findings: LogFinding, pods: tuple[PodSeen, ...] = (pod(),)) -> tuple[str, str] | None:
    found = audit_log(Observation(pods=pods, log_findings=findings))
    if found is None:
        return None
    assert found.status is ConditionStatus.TRUE
    assert found.message.endswith("so that a new one begins a new log.")
    return str(found.reason), found.message.partition(". Run")[0]


def test_a_log_in_order_is_not_spoken_of() -> None:
    assert said() is None


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("fork", "LogForked", "the collector has other records than this pod"),
        ("foreign", "LogForeign", "it sent records of another agent"),
        ("gap", "LogGap", "it left out records"),
        ("damaged", "LogDamaged", "what the collector keeps of its log was changed on the volume"),
    ],
)
def test_what_the_collector_found_names_the_pod(code: str, reason: str, words: str) -> None:
    assert said(LogFinding("u1", code)) == (reason, f"pod helper-1: {words}")
    assert said(LogFinding("gone", code)) == (reason, f"pod gone: {words}")


def test_a_pod_that_says_so_itself_is_believed_and_told_once() -> None:
    assert said(pods=(pod(failing="records_let_go"),)) == (
        "LogGap",
        "pod helper-1: it let go records that never reached the collector",
    )
    forked = ("LogForked", "pod helper-1: the collector has other records than this pod")
    assert said(LogFinding("u1", "fork"), pods=(pod(failing="fork"),)) == forked


def test_the_worst_comes_first_and_the_list_is_bounded() -> None:
    found = said(LogFinding("u1", "gap"), LogFinding("u2", "fork"), pods=(pod(1), pod(2)))
    assert found is not None
    assert (found[0], found[1].startswith("pod helper-2")) == ("LogForked", True)
    many = said(*(LogFinding(f"p{number}", "gap") for number in range(MOST_NAMED + 3)))
    assert many is not None
    assert many[1].endswith("; and 3 more")


@pytest.mark.parametrize(
    ("failing", "kept"), [("fork", "fork"), ("records_let_go", "records_let_go"), ("unreachable", ""), ("", "")]
)
def test_what_passes_by_itself_is_not_kept_of_a_pods_word(failing: str, kept: str) -> None:
    echo = echo_of({"pod": {"uid": "u1"}, "audit": {"collector": {"records": 1, "failing": failing}}})
    assert echo is not None
    assert echo.log_failing == kept


def test_a_pod_whose_own_log_is_damaged_says_so_without_a_collector_too() -> None:
    for collector in (None, {"records": 1, "failing": "unreachable"}):
        echo = echo_of({"pod": {"uid": "u1"}, "audit": {"failing": "log_damaged", "collector": collector}})
        assert echo is not None
        assert said(pods=(PodSeen("helper-1", "u1").with_echo(echo),)) == (
            "LogDamaged",
            "pod helper-1: its own log was changed on its disk",
        )


@pytest.mark.parametrize(("more", "kept"), [({}, False), ({"contentRefused": 0}, False), ({"contentRefused": 2}, True)])
def test_a_pod_says_whether_the_collector_takes_its_content(more: dict[str, int], *, kept: bool) -> None:
    echo = echo_of({"pod": {"uid": "u1"}, "audit": {"collector": {"records": 1, "failing": "", **more}}})
    assert echo is not None
    assert echo.content_refused is kept


def test_content_that_the_collector_refuses_is_told_and_the_pod_is_not_to_be_deleted_for_it() -> None:
    found = audit_log(Observation(pods=(pod(1), pod(2, content_refused=True))))
    assert found is not None
    assert str(found.reason) == "ContentRefused"
    assert found.message.startswith(
        "pod helper-2: the collector does not take some of its encrypted content. The pod's"
    )
    assert found.message.endswith("content that is still refused when it ends is lost.")


def test_beside_a_log_that_is_broken_refused_content_is_seen_to_before_the_pod_is_deleted() -> None:
    found = said(pods=(pod(1, content_refused=True), pod(2, "fork")))
    assert found is not None
    reason, words = found
    told, step = words.split(". ", maxsplit=1)
    assert reason == "LogForked"
    assert told.split("; ") == [
        "pod helper-2: the collector has other records than this pod",
        "pod helper-1: the collector does not take some of its encrypted content",
    ]
    assert step.endswith("content that is still refused when it ends is lost")
