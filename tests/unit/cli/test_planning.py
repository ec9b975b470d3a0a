from pathlib import Path

import pytest
import yaml

from regent_api.config import RedisConfig, StateConfig
from regent_api.types import Sensitivity
from regent_operator.cli.manifests import ManifestError
from regent_operator.cli.planning import FLOOR as FLOOR_FILE
from regent_operator.cli.planning import AgentMissingError, LocalPlan, plan_all
from tests.unit.cli.worlds import AGENT, MODEL, ROUTE, bundle

JWKS = {"keys": []}
FLOOR = "regent-system"
POLICY = """
apiVersion: regent.dev/v1alpha1
kind: AgentPolicy
metadata: {name: rules, namespace: shop}
spec: {selector: {}, data: {minSensitivity: Confidential}}
"""


def planned(*texts: str) -> LocalPlan:
    return plan_all(bundle(*texts), None, FLOOR, JWKS)["shop/helper"]


def test_an_agent_is_planned_under_the_default_floor() -> None:
    plan = planned(AGENT, ROUTE, MODEL)

    assert plan.config.instructions == "Help."
    assert plan.config.sources["callers.anonymous"] == ["regent-system/floor"]
    assert plan.model_hosts == {"demo.models.svc"}
    assert plan.notes == ()


def test_a_floor_of_the_manifests_takes_the_place_of_the_default_one() -> None:
    floor = POLICY.replace("namespace: shop", f"namespace: {FLOOR}").replace(
        "data: {minSensitivity: Confidential}", "models: {localHosts: ['*.svc']}"
    )

    plan = planned(AGENT, ROUTE, MODEL, floor)

    assert plan.config.sources["models.localHosts"] == ["regent-system/rules"]
    assert plan.config.sources["callers.anonymous"] == []


def test_policies_of_the_agents_namespace_take_part() -> None:
    assert planned(AGENT, ROUTE, MODEL, POLICY).config.policy.data.min_sensitivity == Sensitivity.CONFIDENTIAL


def test_policies_of_other_namespaces_do_not() -> None:
    elsewhere = POLICY.replace("namespace: shop", "namespace: elsewhere")

    assert planned(AGENT, ROUTE, MODEL, elsewhere).config.policy.data.min_sensitivity == Sensitivity.PUBLIC


def test_instructions_may_stand_in_a_config_map() -> None:
    agent = AGENT.replace("{inline: Help.}", "{configMapKeyRef: {name: texts, key: helper}}")
    texts = "{apiVersion: v1, kind: ConfigMap, metadata: {name: texts, namespace: shop}, data: {helper: Serve.}}"

    assert planned(agent, ROUTE, MODEL, texts).config.instructions == "Serve."


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ((AGENT, MODEL), "AIAgent shop/helper: RouteMissing: "),
        (
            (AGENT.replace("sensitivity", "policyRefs: [{name: strict}], sensitivity"), ROUTE),
            "AIAgent shop/helper: PolicyMissing: ",
        ),
        (
            (AGENT.replace("{inline: Help.}", "{configMapKeyRef: {name: a, key: b}}"), ROUTE),
            "AIAgent shop/helper: InstructionsMissing: ",
        ),
        ((AGENT, ROUTE.replace("demo.models.svc", "demo.example.com")), "AIAgent shop/helper: NoProviderAllowed: "),
    ],
)
def test_what_would_be_a_condition_on_a_cluster_is_an_error_here(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(ManifestError) as raised:
        planned(*texts)
    assert raised.value.problems[0].startswith(words)


def test_a_service_that_does_not_run_here_is_noted() -> None:
    assert planned(AGENT, ROUTE).model_hosts == frozenset()
    assert planned(AGENT, ROUTE).notes == (
        (
            "AIAgent shop/helper: provider demo is the Service demo.models.svc, which does not run here: "
            "attempts at it fail, and its rule's next provider takes over"
        ),
    )


def test_one_agent_may_be_chosen_by_name_with_or_without_its_namespace() -> None:
    world = bundle(AGENT, AGENT.replace("helper", "other"), ROUTE)

    assert list(plan_all(world, "other", FLOOR, JWKS)) == ["shop/other"]
    assert list(plan_all(world, "shop/helper", FLOOR, JWKS)) == ["shop/helper"]
    with pytest.raises(AgentMissingError, match="no AIAgent third in the manifests"):
        plan_all(world, "third", FLOOR, JWKS)


def test_the_default_floor_is_the_charts() -> None:
    chart = yaml.safe_load(Path("charts/regent/values.yaml").read_text())["floorPolicy"]["spec"]

    assert yaml.safe_load(FLOOR_FILE.read_text())["spec"] == chart


def test_one_process_keeps_its_own_state_where_the_agents_is_a_service() -> None:
    spec = "spec: {state: {redis: {url: 'redis://redis.data.svc'}}, scaling: {replicas: 3}, "
    plan = planned(AGENT.replace("spec: {", spec), ROUTE, MODEL)

    assert plan.config.state == StateConfig(conversations=True)
    assert plan.notes == ("AIAgent shop/helper: spec.state.redis does not run here: this process keeps its own state",)


def test_a_redis_of_this_machine_is_used() -> None:
    plan = planned(AGENT.replace("spec: {", "spec: {state: {redis: {url: 'redis://127.0.0.1'}}, "), ROUTE, MODEL)

    assert plan.config.state == StateConfig(conversations=True, redis=RedisConfig(url="redis://127.0.0.1"))
    assert plan.notes == ()
