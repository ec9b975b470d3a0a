import pytest

from regent_api.config import AgentConfig
from regent_api.policy import ServiceAccountGrant
from regent_operator.cli.callers import admitted, parse, someone_admitted
from regent_operator.cli.planning import plan_all
from regent_operator.cli.tokens import ServiceAccount
from tests.unit.cli.worlds import AGENT, ROUTE, bundle


def config_letting(*lists: list[ServiceAccountGrant]) -> AgentConfig:
    config = plan_all(bundle(AGENT, ROUTE), None, "regent-system", {"keys": []})["shop/helper"].config
    callers = config.policy.callers.model_copy(update={"service_accounts": list(lists)})
    return config.model_copy(update={"policy": config.policy.model_copy(update={"callers": callers})})


def grant(name: str, namespace: str | None = None) -> ServiceAccountGrant:
    return ServiceAccountGrant(name=name, namespace=namespace)


@pytest.mark.parametrize(
    ("lists", "known", "someone"),
    [
        ([[grant("visitor")]], [], "shop/visitor"),
        ([[grant("*")]], [], "shop/developer"),
        ([[grant("web-*", "front")]], [], "front/web-developer"),
        ([[grant("*", "*")]], [], "shop/developer"),
        ([[grant("*")], [grant("visitor"), grant("other")]], [], "shop/visitor"),
        ([[grant("*")]], ["else/where", "shop/visitor"], "shop/visitor"),
        ([[grant("one")], [grant("two")]], ["shop/three"], None),
        ([], ["shop/visitor"], None),
    ],
)
def test_the_caller_is_one_whom_every_list_lets_in(
    lists: list[list[ServiceAccountGrant]], known: list[str], someone: str | None
) -> None:
    config = config_letting(*lists)

    found = someone_admitted(config, known)

    assert found == (parse(someone) if someone else None)
    assert found is None or admitted(config, found)


@pytest.mark.parametrize("text", ["visitor", "/visitor", "shop/", "a/b/c", ""])
def test_a_caller_is_written_with_its_namespace(text: str) -> None:
    with pytest.raises(ValueError, match="write NAMESPACE/NAME of a ServiceAccount"):
        parse(text)


def test_a_caller_is_read() -> None:
    assert parse("shop/visitor") == ServiceAccount("shop", "visitor")
