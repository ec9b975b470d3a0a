import pytest

from regent_api.audit.alert import Expression, InvalidExpression
from regent_api.audit.record import AttemptPart, CostPart, DecisionPart, Kind
from tests.fakes.audit import record

REFUSED = record(
    Kind.REFUSED,
    code="token_invalid",
    flags=["unauthorized"],
    caller_kind="OIDC",
    counts={"token_invalid": 7},
    confidence="0.973",
    cost=CostPart(unknown="usage_unknown", at_most="0.25"),
    attempts=[AttemptPart(provider="p0", cost=CostPart(usd="0.0000001", price="route"))],
    decisions=[DecisionPart(stage="input", action="Deny", field="guardrails.input.patterns", policies=["a/b", "a/c"])],
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("record.code == 'token_invalid'", True),
        ("record.kind == 'refused' && record.callerKind == 'OIDC'", True),
        ("'unauthorized' in record.flags", True),
        ("record.flags.exists(f, f.startsWith('leak'))", False),
        ("record.decisions.exists(d, d.policies.exists(p, p == 'a/c'))", True),
        ("record.decisions.all(d, d.shadow == '')", True),
        ("'token_invalid' in record.counts && record.counts['token_invalid'] > 5", True),
        ("record.tokens.output > 1000 || record.approval != ''", False),
        ("size(record.attempts) > 1", False),
        ("record.confidence >= '0.9'", True),
        ("record.cost.usd == 0.0 && record.cost.atMost > 0.2 && record.cost.unknown == 'usage_unknown'", True),
        ("record.attempts.exists(a, a.cost.usd > 0.0 && a.cost.price == 'route')", True),
        ("record.attempts.exists(a, a.cost.unknown != '')", False),
        ("record.confidence >= '0.98'", False),
        ("record.action == 'Approve' && record.outcome == 'done'", False),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert Expression(text).holds(REFUSED) is holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("record.code ==", "is not CEL"),
        ("record.nope == 'x'", "has no field nope"),
        ("true", "does not look at the record"),
        ("other.code == 'x' || record.code == 'y'", "cannot be evaluated"),
        ("record.code", "no condition"),
        ("record.code.matches('(a+)+')", "matches is not offered"),
        ("timestamp(record.time).getHours('Europe/Berlin') > 6", "not offered"),
        ("record.flags.all(a, record.flags.all(b, record.flags.all(c, a == b && b == c)))", "more than 2"),
        ("record.flags.//\nall(a, record.flags.all(b, record.flags. exists(c, a == c)))", "more than 2"),
        ("record.code in ['a'" + ",'b'" * 70 + "]", "commas"),
        ("record.code == '" + "x" * 1100 + "'", "longer"),
        ("record.counts['x'] > 1", "cannot be evaluated"),
        ("record.code > 1", "cannot be evaluated"),
        ("(" * 400 + "record.code == ''" + ")" * 400, "is not CEL"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(InvalidExpression, match=words):
        Expression(text)


def test_one_that_cannot_be_evaluated_on_a_record_says_so() -> None:
    with pytest.raises(InvalidExpression, match="cannot be evaluated"):
        Expression("'x' in record.counts || record.decisions[0].stage == ''").holds(record())
