"""The numbers that the detector is measured on, held to published examples; and the detector held to each country's."""

import random

import pytest

from regent_runtime.guard.personal_data import RULES, find
from regent_runtime.guard.scan import RuleSet, Scanner
from tests.bench.digits import luhn_digit
from tests.bench.national_ids import MAKERS, national_id, verhoeff_digit

WITHOUT_CHECK = {"US", "GB"}


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("IN", "Aadhaar 9999 4105 7058"),
        ("ZA", "8001015009087"),
        ("TR", "10000000146"),
        ("CL", "30.686.957-4"),
        ("MX", "HEGG560427MVZRRL04"),
        ("CA", "SIN 046 454 286"),
        ("AU", "TFN 123 456 782"),
    ],
)
def test_published_examples_are_found(country: str, text: str) -> None:
    assert len(find(text, ["NationalID"])) == 1, country


def test_check_digits_are_those_of_published_examples() -> None:
    assert verhoeff_digit("236") == "3"
    assert verhoeff_digit("99994105705") == "8"
    assert luhn_digit("800101500908") == "7"


def test_every_country_of_the_detector_is_made() -> None:
    assert {rule.name.removeprefix("NationalID ") for rule in RULES["NationalID"]} == set(MAKERS)


@pytest.mark.parametrize("country", MAKERS)
def test_every_number_that_is_made_is_found_and_none_with_another_check_digit(country: str) -> None:
    chance = random.Random(country)
    for _ in range(50):
        written, value = national_id(chance, country)
        start = len("It is ") + written.index(value)
        assert _found(country, f"It is {written}.") == [(start, start + len(value))], written
        if country not in WITHOUT_CHECK:
            assert _found(country, f"It is {_miswritten(written)}.") == [], written


def _found(country: str, text: str) -> list[tuple[int, int]]:
    """By this country's rules alone: another one's may take a wrong number for its own."""
    rules = RuleSet(rule for rule in RULES["NationalID"] if rule.name == f"NationalID {country}")
    return [(match.start, match.end) for match in Scanner(rules).feed(text.encode(), final=True)]


def _miswritten(written: str) -> str:
    """With another last character of its kind."""
    last = written[-1]
    return written[:-1] + ("7" if last == "3" else "3" if last.isdigit() else "B" if last == "A" else "A")
