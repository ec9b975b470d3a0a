from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import canonical
from regent_operator.engine.packed import PackedConfig, PackedStatus, packed, unpacked
from tests.unit.engine.world import NAMESPACE, World


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


async def test_what_most_statuses_say_takes_no_bytes_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    await world.begin(1)
    kept = PackedStatus.of(world.api.objects["AIAgent", NAMESPACE, "a000"]["status"])
    assert len(kept.own) < len(packed(kept.rest_text)) * 0.65
    assert kept == PackedStatus.of(dict(reversed(kept.whole.items()))), "whatever the order of its fields"


def test_what_agents_under_the_same_policies_are_told_is_there_once() -> None:
    effective = [{"field": "size.maxOutputTokens", "value": "64", "from": ["n/house"]}]
    one, other = (PackedStatus.of({"effective": [dict(*effective)], "endpoint": name}) for name in ("a", "b"))
    assert one.effective is other.effective
    assert one != other
    assert one != PackedStatus.of({"effective": [effective[0] | {"value": "65"}], "endpoint": "a"})


@given(st.dictionaries(st.sampled_from(["agent", "policy", "route", "prompt"]), st.integers() | st.lists(st.text())))
def test_a_config_comes_back_as_it_was(config: dict[str, Any]) -> None:
    assert PackedConfig.of(canonical(config)).text == canonical(config)


@given(st.text())
def test_so_does_what_is_no_config(text: str) -> None:
    assert PackedConfig.of(text).text == text


def test_what_agents_are_given_of_policies_and_a_route_is_there_once() -> None:
    shared = {"policy": {"size": 64}, "route": {"name": "local"}, "tokens": [], "sources": {}}
    one, other = (PackedConfig.of(canonical(shared | {"agent": {"name": name}})) for name in ("a", "b"))
    assert one.shared is other.shared
    assert one != other
    assert one.shared is not PackedConfig.of(canonical(shared | {"policy": {"size": 65}})).shared
