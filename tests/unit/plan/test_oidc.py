import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from regent_operator.plan.agent import plan_agent
from regent_operator.plan.oidc import key_sets_of
from tests.enforces import enforces
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, agent, for_all, inputs


def key_set(kid: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return json.dumps({"keys": [{**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig"}]})


ONE, TWO = key_set("one"), key_set("two")


def grant(**jwks: Any) -> dict[str, Any]:
    return {"issuer": "https://id.example.com", "audience": "helper", "jwks": jwks}


INLINE = grant(inline=ONE)
REFERENCE = grant(configMapKeyRef={"name": "login", "key": "jwks.json"})
KEY = ("acme", "login", "jwks.json")


def kids(plan: Any) -> list[str]:
    grants = [grant for grants in plan.config.policy.callers.oidc for grant in grants]
    return [key["kid"] for each in grants for key in json.loads(each.jwks.inline)["keys"]]


def planned(*grants: Any, texts: Any = None, **changes: Any) -> Any:
    base = for_all("base", **LOCAL_HOSTS, callers={"oidc": list(grants)})
    return plan_agent(inputs(policies=(base,), key_sets=texts or {}, **changes), INSTALLATION)


def test_a_policy_names_the_config_maps_of_its_own_namespace() -> None:
    floor = for_all("floor", "regent-system", callers={"oidc": [INLINE, REFERENCE]})
    plain = for_all("plain", **LOCAL_HOSTS)
    own = for_all("own", callers={"oidc": [REFERENCE]})
    assert key_sets_of([floor, plain, own]) == {KEY, ("regent-system", "login", "jwks.json")}


@enforces("callers.oidc.jwks.inline", "callers.oidc.jwks.configMapKeyRef")
def test_the_keys_reach_the_config_from_either_place() -> None:
    assert kids(planned(INLINE)) == ["one"]
    assert kids(planned(REFERENCE, texts={KEY: TWO})) == ["two"]


def test_an_edit_of_the_config_map_is_a_new_config() -> None:
    before, after = planned(REFERENCE, texts={KEY: ONE}), planned(REFERENCE, texts={KEY: TWO})
    assert before.digests.config != after.digests.config
    assert before.uses == after.uses, "the policy means the same"


@enforces("callers.oidc.jwks.configMapKeyRef")
def test_a_set_that_is_missing_or_none_is_never_left_out() -> None:
    for texts, words in (({}, "does not exist"), ({KEY: None}, "does not exist"), ({KEY: "no"}, "is not JSON")):
        plan = planned(REFERENCE, texts=texts)
        assert plan.config is None
        assert "spec.callers.oidc[0].jwks: key jwks.json of ConfigMap login" in plan.problems[0].message
        assert words in plan.problems[0].message


def test_a_running_agent_keeps_its_keys_while_the_set_is_missing() -> None:
    last = planned(REFERENCE, texts={KEY: ONE}).config
    assert kids(planned(REFERENCE, last=last)) == ["one"]


def test_the_second_of_two_sets_is_named() -> None:
    assert "oidc[1]" in planned(INLINE, REFERENCE).problems[0].message


def test_of_equal_texts_the_reading_is_made_once() -> None:
    base = for_all("base", **LOCAL_HOSTS, callers={"oidc": [REFERENCE]})
    one, other = (
        plan_agent(inputs(policies=(base,), key_sets={KEY: ONE}, agent=agent(name)), INSTALLATION)
        for name in ("a", "b")
    )
    assert one.config is not None
    assert other.config is not None
    assert one.config.policy is other.config.policy
