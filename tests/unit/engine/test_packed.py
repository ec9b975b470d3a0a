from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regent_operator.engine.packed import PackedStatus, packed, unpacked


@given(st.binary(max_size=20_000))
def test_a_text_comes_back_as_it_was(text: bytes) -> None:
    assert unpacked(packed(text)) == text
    assert packed(text) == packed(text)


def test_what_repeats_takes_a_third_or_less() -> None:
    text = b",".join(b'{"field":"size.max%d","value":"%d","from":[]}' % (number, number) for number in range(150))
    assert len(packed(text)) < len(text) / 3


@given(st.dictionaries(st.sampled_from(["effective", "replicas", "conditions"]), st.integers() | st.lists(st.text())))
def test_a_status_comes_back_as_it_was(status: dict[str, Any]) -> None:
    kept = PackedStatus.of(status)
    assert kept.whole == status
    assert kept == PackedStatus.of(dict(status))


def test_what_agents_under_the_same_policies_are_told_is_there_once() -> None:
    effective = [{"field": "size.maxOutputTokens", "value": "64", "from": ["n/house"]}]
    one, other = (PackedStatus.of({"effective": [dict(*effective)], "endpoint": name}) for name in ("a", "b"))
    assert one.effective is other.effective
    assert one != other
    assert one != PackedStatus.of({"effective": [effective[0] | {"value": "65"}], "endpoint": "a"})
