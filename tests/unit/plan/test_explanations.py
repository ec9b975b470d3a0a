from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.explanations import widened
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, for_all, inputs
from tests.unit.plan.test_oidc import ONE as KEYS

BASE = for_all("base", **LOCAL_HOSTS)


def config_of(*policies: Any) -> AgentConfig:
    made = plan_agent(inputs(policies=policies), INSTALLATION).config
    assert made is not None
    return made


def test_nothing_changes_nothing_widens() -> None:
    assert widened(config_of(BASE), config_of(BASE)) == ()


@pytest.mark.parametrize(
    ("strict", "words"),
    [
        ({"size": {"maxOutputTokens": 100}}, "size.maxOutputTokens: 100 -> 1024"),
        ({"size": {"turnTimeout": "30s"}}, 'size.turnTimeout: "30s" -> "120s"'),
        ({"data": {"minSensitivity": "Internal"}}, 'data.minSensitivity: "Internal" -> "Public"'),
        ({"models": {"localAtOrAbove": "Internal"}}, 'models.localAtOrAbove: "Internal" -> "Confidential"'),
        ({"egress": {"hosts": ["*.svc", "*.com"]}}, 'egress.hosts: [["*.com","*.svc"]] -> the default'),
        (
            {"callers": {"serviceAccounts": [{"name": "front"}]}},
            'callers.serviceAccounts: [[{"name":"front"}]] -> [[{"name":"*"}]]',
        ),
    ],
)
def test_what_a_deleted_policy_held_back_is_told(strict: dict[str, Any], words: str) -> None:
    with_it, without = config_of(BASE, for_all("strict", **strict)), config_of(BASE)
    assert widened(with_it, without) == (words,)


def test_what_becomes_stricter_is_not_told() -> None:
    strict = for_all(
        "strict", size={"maxOutputTokens": 1}, egress={"hosts": ["*.svc"]}, data={"minSensitivity": "Internal"}
    )
    assert widened(config_of(BASE), config_of(BASE, strict)) == ()


def test_a_list_that_is_gone_widens_though_another_stays() -> None:
    allow = for_all("allow", models={"allow": [{"host": "*.svc"}, {"host": "*.com"}], "localHosts": ["*.svc"]})
    more = for_all("more", models={"allow": [{"host": "*.svc"}]})
    assert [line.split(":")[0] for line in widened(config_of(allow, more), config_of(allow))] == ["models.allow"]


def test_a_default_that_is_narrower_than_what_was_deleted_does_not_widen() -> None:
    everyone = for_all("everyone", callers={"serviceAccounts": [{"namespace": "*", "name": "*"}]})
    assert widened(config_of(BASE, everyone), config_of(BASE)) == ()
    (words,) = widened(config_of(BASE), config_of(BASE, everyone))
    assert words.startswith("callers.serviceAccounts: ")


def test_a_list_within_the_one_that_held_does_not_widen() -> None:
    wide = for_all(
        "allow", models={"allow": [{"host": "*.svc"}, {"host": "*.openai.com"}]}, egress={"cidrs": ["10.0.0.0/8"]}
    )
    narrow = for_all(
        "allow",
        models={"allow": [{"host": "*.models.svc"}, {"host": "api.openai.com", "models": ["gpt-*"]}]},
        egress={"cidrs": ["10.1.0.0/16", "10.2.0.0/16"]},
    )
    assert widened(config_of(BASE, wide), config_of(BASE, narrow)) == ()
    assert len(widened(config_of(BASE, narrow), config_of(BASE, wide))) == 2


def test_callers_within_those_that_were_let_in_do_not_widen() -> None:
    def callers(subjects: list[str], groups: list[str]) -> Any:
        oidc = {"issuer": "https://id.test", "audience": "helper", "jwks": {"inline": KEYS}, "subjects": subjects}
        keys = {"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}, "groups": groups}
        return for_all("callers", callers={"oidc": [oidc], "apiKeys": [keys]})

    wide, narrow = config_of(BASE, callers(["a", "b"], ["x", "y"])), config_of(BASE, callers(["a"], ["x"]))
    assert widened(wide, narrow) == ()
    assert [line.split(":")[0] for line in widened(narrow, wide)] == ["callers.oidc", "callers.apiKeys"]


def test_a_first_list_of_something_closed_by_default_widens() -> None:
    anonymous = for_all("open", callers={"anonymous": "Allow", "ingressFrom": [{"podSelector": {}}]})
    assert [line.split(":")[0] for line in widened(config_of(BASE), config_of(BASE, anonymous))] == [
        "callers.anonymous",
        "callers.ingressFrom",
    ]


def test_a_first_opinion_on_what_the_route_names_only_cuts() -> None:
    lists = for_all("lists", models={"allow": [{"host": "*.com"}]}, egress={"hosts": ["*.com", "*.svc"]})
    assert widened(config_of(BASE), config_of(BASE, lists)) == ()


@pytest.mark.parametrize(("cidr", "fields"), [("8.8.8.0/24", []), ("10.0.0.0/8", ["egress.cidrs"])])
def test_a_first_list_of_addresses_widens_when_it_holds_others_than_public_ones(cidr: str, fields: list[str]) -> None:
    first = for_all("first", egress={"cidrs": [cidr]})
    assert [line.split(":")[0] for line in widened(config_of(BASE), config_of(BASE, first))] == fields


def test_long_values_are_cut() -> None:
    long = for_all("long", egress={"hosts": [f"{n}.{'a' * 60}.com" for n in range(9)] + ["*.svc", "*.com"]})
    (words,) = widened(config_of(BASE, long), config_of(BASE))
    assert words.endswith("... -> the default")
    assert len(words) < 300
