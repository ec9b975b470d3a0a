import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from regent_api.types import LabelSelector, Sensitivity, glob_matches, host_matches, seconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        ("24h", 86400.0),
        ("1h30m", 5400.0),
        ("1m500ms", 60.5),
        ("30d", 2592000.0),
    ],
)
def test_seconds(duration: str, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "5", "5 m", "-5s", "1.5s", "7w", "1d12h", "5m\n", "1h1h1h1h1h"])
def test_what_is_no_duration_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        seconds(duration)


def test_labels_are_ordered_by_harm_and_not_by_name() -> None:
    labels = [Sensitivity.RESTRICTED, Sensitivity.PUBLIC, Sensitivity.CONFIDENTIAL, Sensitivity.INTERNAL]
    assert [label.value for label in sorted(labels)] == ["Public", "Internal", "Confidential", "Restricted"]


@given(st.sampled_from(Sensitivity), st.sampled_from(Sensitivity))
def test_the_order_of_labels_is_total(a: Sensitivity, b: Sensitivity) -> None:
    assert [a < b, a == b, a > b].count(True) == 1
    assert (a <= b) == (not a > b)
    assert (a >= b) == (not a < b)


def test_a_label_has_no_order_with_other_strings() -> None:
    with pytest.raises(TypeError, match="Sensitivity"):
        _ = Sensitivity.PUBLIC < "Restricted"
    with pytest.raises(TypeError, match="Sensitivity"):
        _ = "Restricted" > Sensitivity.PUBLIC  # noqa: SIM300


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"app": "chat"}}, {"app": "chat", "tier": "one"}, True),
        ({"matchLabels": {"app": "chat"}}, {"app": "other"}, False),
        ({"matchLabels": {"app": ""}}, {}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, {"app": "b"}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, {}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, {"app": "a"}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, {}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"app": ""}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {"app": "a"}, False),
        (
            {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
            {"app": "a"},
            False,
        ),
    ],
)
def test_selectors_match_as_kubernetes_does(
    selector: dict[str, object], labels: dict[str, str], expected: bool
) -> None:
    assert LabelSelector.model_validate(selector).matches(labels) is expected


@pytest.mark.parametrize("key", ["", "a/b/c", "-app", "example.com/", "/app", "a" * 64])
def test_what_is_no_label_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        LabelSelector.model_validate({"matchLabels": {key: "x"}})


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "xapi.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.example.com", "example.com.evil.org", False),
        ("*.svc", "models.svc", True),
        ("*.svc", "svc", False),
    ],
)
def test_a_host_pattern_matches_whole_labels(pattern: str, host: str, expected: bool) -> None:
    assert host_matches(pattern, host) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-*", "gpt-4o", True),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "xgpt-4o", False),
        ("*", "", True),
        ("*-mini", "gpt-4o-mini", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("*b*b*", "b", False),
        ("ab*ba", "aba", False),
        ("a.c", "abc", False),
    ],
)
def test_a_glob_knows_the_star_alone(pattern: str, text: str, expected: bool) -> None:
    assert glob_matches(pattern, text) is expected


@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=4), st.data())
def test_a_glob_matches_whatever_its_stars_are_filled_with(parts: list[str], data: st.DataObject) -> None:
    fills = data.draw(st.lists(st.text(alphabet="abc", max_size=3), min_size=len(parts) - 1, max_size=len(parts) - 1))
    text = "".join(part + fill for part, fill in zip(parts, [*fills, ""], strict=True))
    assert glob_matches("*".join(parts), text)
