import pytest

from regent_api.status import Reason
from regent_operator.plan.acceptance import Rejection, policy_rejection
from regent_operator.plan.patterns import pattern_error
from tests.unit.plan.samples import FLOOR_NAMESPACE, policy


@pytest.mark.parametrize("pattern", ["Project Tulip", r"(?i)\bsecret\b", "[0-9]{3}-[0-9]{4}", r"\p{Greek}+", "(a+)+$"])
def test_what_re2_takes_is_accepted(pattern: str) -> None:
    assert pattern_error(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "missing"),
        (r"(a)\1", "invalid escape"),
        ("(?=a)", "invalid perl operator"),
        ("a{1001}", "invalid repetition"),
        (r"(?:\pL\pN){400}", "too large"),
    ],
)
def test_what_it_does_not_take_is_told_in_its_words(pattern: str, words: str) -> None:
    assert words in (pattern_error(pattern) or "")


def rejection(**guardrails: object) -> Rejection | None:
    return policy_rejection(policy("p", "acme", guardrails=guardrails), FLOOR_NAMESPACE)


def test_a_policy_with_such_a_pattern_is_not_accepted_and_the_path_is_named() -> None:
    good = {"name": "good", "re2": "tulip", "action": "Deny"}
    bad = {"name": "bad", "re2": "(?=tulip)", "action": "Deny"}
    made = rejection(input={"patterns": [good, bad]})
    assert made is not None
    assert made.reason is Reason.INVALID_PATTERN
    assert made.words.startswith("spec.guardrails.input.patterns[1].re2: bad: invalid perl operator")


def test_patterns_of_output_are_compiled_too() -> None:
    made = rejection(output={"patterns": [{"name": "bad", "re2": "(", "action": "Redact"}]})
    assert made is not None
    assert made.words.startswith("spec.guardrails.output.patterns[0].re2")


def test_a_policy_with_good_patterns_is_accepted() -> None:
    assert rejection(input={"patterns": [{"name": "good", "re2": "tulip", "action": "Deny"}]}) is None
