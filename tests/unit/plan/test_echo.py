from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.status import Digests
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.echo import MOST_ERROR_CHARACTERS, AlertFigures, Echo, ProviderSaid, echo_of
from regent_operator.plan.enforcement import missing_credentials, policy_enforced
from regent_operator.plan.observation import Observation, PodSeen
from tests.unit.plan.samples import INSTALLATION, inputs

STATUSZ: dict[str, Any] = {
    "pod": {"name": "helper-1", "uid": "u1"},
    "version": "0.1.0",
    "digests": {"config": "sha256:c", "policy": "sha256:p", "route": "sha256:r"},
    "oldestTurn": {"config": "sha256:b"},
    "configError": None,
    "configSequence": 7,
    "missingCredentials": ["openai/hosts"],
    "activeConversations": 4,
    "suspended": False,
    "draining": True,
}


def test_an_echo_is_read_from_statusz() -> None:
    assert echo_of(STATUSZ) == Echo(
        pod_uid="u1",
        digests=Digests(config="sha256:c", policy="sha256:p", route="sha256:r"),
        oldest_turn="sha256:b",
        config_sequence=7,
        missing_credentials=("openai/hosts",),
        active_conversations=4,
        draining=True,
    )


def test_an_echo_has_the_figures_of_alerts() -> None:
    alert = {"policy": "demo/strict", "name": "intruder", "fired": 3, "failed": 1}
    echo = echo_of({**STATUSZ, "audit": {"durability": "Pod", "alerts": [alert]}})
    assert echo is not None
    assert echo.alerts == (AlertFigures("demo/strict", "intruder", 3, 1),)


def test_a_pod_that_has_loaded_nothing_echoes_no_digest() -> None:
    echo = echo_of({**STATUSZ, "digests": None, "configError": "no such file"})
    assert echo == Echo("u1", None, "sha256:b", "no such file", 7, ("openai/hosts",), 4, draining=True)


ALERT = {"policy": "a/b", "name": "c", "fired": 1, "failed": 0}
PROVIDER = {"name": "cloud", "breaker": "open", "lastFailure": "server_error", "coolingSeconds": 1.5}
MALFORMED: list[dict[str, Any]] = [
    *({"pod": pod} for pod in (None, {}, "u1", {"uid": 1}, {"uid": ""}, {"uid": "u" * 65})),
    *({"digests": digests} for digests in ({}, {"config": "x"}, [], {**STATUSZ["digests"], "config": "x" * 72})),
    *({"oldestTurn": turn} for turn in ({}, "sha256:b", {"config": None}, {"config": "x" * 72})),
    *({"configError": error} for error in (1, {}, ["x"])),
    *({"configSequence": number} for number in (0, -1, 2**53, 1.5, "7", True)),
    *({"missingCredentials": missing} for missing in (None, [{}], [1], "a/b", ["x" * 513], ["a/b"] * 1025)),
    *({"activeConversations": count} for count in (-1, 10**9 + 1, 10**4000, 1.5, "4", True, None)),
    *({"suspended": flag} for flag in (1, "true", None)),
    *({"draining": flag} for flag in (0, [], None)),
    *({"providers": said} for said in (None, [1], [{}], [PROVIDER] * 17, [PROVIDER | {"lastFailure": "sk leak"}])),
    *({"audit": {"alerts": alerts}} for alerts in (None, [1], [{}], [ALERT | {"fired": -1}], [ALERT] * 65)),
]


def test_how_a_pod_stands_with_its_providers_is_read() -> None:
    echo = echo_of({**STATUSZ, "providers": [PROVIDER]})
    assert echo is not None
    assert echo.providers == (ProviderSaid("cloud", "open", "server_error"),)


@pytest.mark.parametrize("wrong", MALFORMED)
def test_what_is_malformed_is_no_echo(wrong: dict[str, Any]) -> None:
    assert echo_of({**STATUSZ, **wrong}) is None


@pytest.mark.parametrize("body", [None, [], "ok", 1, {}])
def test_what_is_no_statusz_at_all_is_no_echo(body: object) -> None:
    assert echo_of(body) is None


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(sorted(STATUSZ)), json_values))
def test_whatever_a_pod_answers_conditions_come_of_it(said: dict[str, Any]) -> None:
    plan = plan_agent(inputs(), INSTALLATION)
    answering = PodSeen("helper-1", "u1", ready=True, credentials=frozenset({("openai", "api-key")})).with_echo(
        echo_of({**STATUSZ, **said})
    )
    seen = Observation(pods=(answering,))
    missing_credentials(seen)
    assert not policy_enforced(plan, seen).holds


def test_a_long_refusal_is_cut_and_a_newer_runtimes_fields_are_left_alone() -> None:
    echo = echo_of({**STATUSZ, "configError": "x" * 5000, "newer": {"than": "we"}})
    assert echo is not None
    assert echo.config_error == "x" * MOST_ERROR_CHARACTERS


def test_a_list_of_missing_credentials_that_was_cut_says_how_many_more_there_are() -> None:
    echo = echo_of({**STATUSZ, "missingCredentials": ["a/b", "c/d", "and 98 more"]})
    assert echo is not None
    assert (echo.missing_credentials, echo.missing_beyond) == (("a/b", "c/d"), 98)
    for last in ("and more", "and -1 more", "and 1 more/key", "and 9999999999 more"):
        whole = echo_of({**STATUSZ, "missingCredentials": ["a/b", last]})
        assert whole is not None
        assert (whole.missing_credentials, whole.missing_beyond) == (("a/b", last), 0)


def test_an_echo_of_another_uid_is_dropped() -> None:
    assert PodSeen("helper-1", "u2").with_echo(echo_of(STATUSZ)).echo is None
    assert PodSeen("helper-1", "u1").with_echo(echo_of(STATUSZ)).echo is not None
