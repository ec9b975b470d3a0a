"""What the detectors find, and what they leave alone."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.policy import Detector
from regent_runtime.guard.personal_data import RULES, Finding, find, found, rules_of
from regent_runtime.guard.scan import RuleSet
from tests.bench.labelled import labelled
from tests.bench.personal_data import measure


def values(text: str, *detectors: str) -> list[tuple[str, str]]:
    return [(each.detector, text[each.start : each.end]) for each in find(text, detectors or list(RULES))]


def test_a_text_without_any() -> None:
    assert find("The weather is fine today.", list(RULES)) == []


def test_every_detector_of_the_contract_is_there() -> None:
    assert set(RULES) == set(Detector)


def test_every_rule_fits_the_window() -> None:
    assert RuleSet(rules_of(RULES)).is_windowed


def test_only_declared_detectors_look() -> None:
    assert values("a@example.com, 10.1.2.3", "IPAddress") == [("IPAddress", "10.1.2.3")]


def test_offsets_are_characters() -> None:
    assert find("日本 é a@example.com", ["Email"]) == [Finding("Email", 5, 18)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail jörg.müller@bücher.example or x+y@a.b.co.uk.", [("Email", "jörg.müller@bücher.example"), ("Email", "x+y@a.b.co.uk")]),
        ("mailto:a@example.com?x", [("Email", "a@example.com")]),
        ("4111 1111 1111 1111", [("Card", "4111 1111 1111 1111")]),
        ("on 12 4111-1111-1111-1111 or 378282246310005", [("Card", "4111-1111-1111-1111"), ("Card", "378282246310005")]),
        ("DE89 3704 0044 0532 0130 00 please", [("IBAN", "DE89 3704 0044 0532 0130 00")]),
        ("AB12 GB82WEST12345698765432", [("IBAN", "GB82WEST12345698765432")]),
        ("from 203.0.113.9:8080 and [2001:db8::1]: up", [("IPAddress", "203.0.113.9"), ("IPAddress", "2001:db8::1")]),
        ("SSN 123-45-6789", [("NationalID", "123-45-6789")]),
        ("ssn: 123456789", [("NationalID", "123456789")]),
        ("DNI 12345678Z", [("NationalID", "12345678Z")]),
        ("RSSMRA85T10A562S", [("NationalID", "RSSMRA85T10A562S")]),
        ("Aadhaar number 2345 6789 0124", [("NationalID", "2345 6789 0124")]),
        ("+49 (0)30 1234567", [("Phone", "+49 (0)30 1234567")]),
        ("(415) 555-2671", [("Phone", "(415) 555-2671")]),
        ("call me at 5550123", [("Phone", "5550123")]),
        ("Tel.: 030 / 123456", [("Phone", "030 / 123456")]),
        ("00 44 20 7946 0958", [("Phone", "00 44 20 7946 0958")]),
    ],
)  # fmt: skip
def test_personal_data_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112", "9999 1111 1111 1111", "DE89 3704 0044 0532 0130 01", "icon@2x.png", "react@18.2.0-beta.rc",
        "v1.2.3.4", "version 1.2.3.4", "Chrome/120.0.0.0", "127.0.0.1", "0.0.0.0", "300.1.1.1", "1.2.3.4.5", "std::vector",
        "12:34:56", "::1", "000-45-6789", "12345678A", "2024-05-12 10:00", "order 030 1234567", "ORD-030-1234567", "call on 2024-05-12",
        "user@localhost", "00:1a:2b:3c:4d:5e", "2345 6789 0124",
    ],
)  # fmt: skip
def test_numbers_of_nobody_are_left_alone(text: str) -> None:
    assert values(text) == []


def test_overlapping_finds_are_one() -> None:
    assert values("4111111111111111@example.com") == [("Email", "4111111111111111@example.com")]


def test_recall_and_false_positives_are_as_published() -> None:
    measured = measure(seed=7, each=150)
    least = {name: 0.9 if name == "Phone" else 0.98 for name in RULES}
    assert {name: share for name, share in measured.recall.items() if share < least[name]} == {}
    assert measured.false_positives <= 0.005


PARTS = st.sampled_from([sentence.text for sentence in labelled(3, 30)])


@given(st.lists(PARTS, min_size=1, max_size=12))
def test_long_texts_give_the_same_in_pieces(parts: list[str]) -> None:
    text = " ".join(parts) * 3
    assert asyncio.run(found(text, list(RULES))) == find(text, list(RULES))


@given(st.text("0123456789 .-+()@aé\u200b:/", max_size=300))
def test_no_text_breaks_a_detector(text: str) -> None:
    for finding in find(text, list(RULES)):
        assert text[finding.start : finding.end]
