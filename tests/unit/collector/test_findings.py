from regent_operator.collector.findings import KEPT_SECONDS, MOST, Finding, Findings
from regent_operator.collector.tokens import Origin


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_pod_and_reason_is_told_once_with_when_it_was_seen_last() -> None:
    clock = Clock()
    findings = Findings(clock)
    one, other = Origin("n", "a", "u1"), Origin("n", "a", "u2")
    for origin, code in ((other, "gap"), (one, "gap"), (one, "fork")):
        findings.found(origin, code)
    clock.now = 1007.5
    findings.found(one, "gap")
    assert findings.all() == [Finding(one, "fork", 1000), Finding(one, "gap", 1007), Finding(other, "gap", 1000)]


def test_a_day_after_it_was_seen_last_it_is_told_no_more() -> None:
    clock = Clock()
    findings = Findings(clock)
    findings.found(Origin("n", "a", "u1"), "fork")
    clock.now += KEPT_SECONDS
    assert len(findings.all()) == 1
    clock.now += 1
    assert findings.all() == []


def test_they_are_bounded_and_the_oldest_goes() -> None:
    findings = Findings(Clock())
    for number in range(MOST + 1):
        findings.found(Origin("n", "a", f"u{number:04}"), "gap")
    pods = [each.origin.pod for each in findings.all()]
    assert (len(pods), pods[0], pods[-1]) == (MOST, "u0001", f"u{MOST:04}")
