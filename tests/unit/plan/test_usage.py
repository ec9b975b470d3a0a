from typing import Any

from regent_api.objects import Invalid, Metadata
from regent_api.policy import UsedByAgents
from regent_operator.plan.figures import AgentFigures
from regent_operator.plan.usage import policy_status, route_status
from tests.unit.plan.kstatus import kstatus
from tests.unit.plan.nextstep import ends_with_the_next_step
from tests.unit.plan.samples import CLOUD, INSTALLATION, LATER, NOW, ONPREM, for_all, policy, route

POLICY = for_all("base", size={"turnTimeout": "90s"})
ROUTE = route()


def digest_of_policy(spec: Any = POLICY) -> str:
    found = policy_status(spec, [], INSTALLATION, None, NOW).digest
    assert found is not None
    return found


def digest_of_route() -> str:
    found = route_status(ROUTE, [], INSTALLATION, None, NOW).digest
    assert found is not None
    return found


def figures(name: str = "helper", enforced: int = 1, serving: int = 1, **changes: Any) -> AgentFigures:
    whole = {"policies": {"acme/base": digest_of_policy()}, "route": "acme/hybrid", "route_digest": digest_of_route()}
    pods = {"policy_enforced": enforced, "route_enforced": enforced, "tried": enforced, "serving": serving}
    return AgentFigures(**{"key": f"acme/{name}", **pods, **whole, **changes})


def of_policy(*agents: AgentFigures) -> UsedByAgents:
    return policy_status(POLICY, agents, INSTALLATION, None, NOW)


def phase(status: UsedByAgents) -> tuple[str, str, str]:
    """Ready, its reason, kstatus; each message says what comes next."""
    assert [each for each in status.conditions if not ends_with_the_next_step(each.message)] == []
    ready = status.conditions[0]
    return (
        ready.status.value,
        ready.reason,
        kstatus(status.conditions, observed=status.observed_generation, generation=1),
    )


def test_the_whole_status_of_a_policy_in_force() -> None:
    common = {"status": "True", "observedGeneration": 1, "lastTransitionTime": NOW}
    in_force = "In force in every serving pod of 1 agents. Nothing to do."
    assert of_policy(figures()).wire() == {
        "observedGeneration": 1,
        "conditions": [
            {**common, "type": "Ready", "reason": "Enforced", "message": in_force},
            {**common, "type": "Accepted", "reason": "Accepted", "message": "The spec is valid. Nothing to do."},
        ],
        "digest": digest_of_policy(),
        "agents": 1,
        "enforced": "1/1",
        "mode": "Enforce",
    }


def test_a_policy_that_nobody_uses_is_ready() -> None:
    assert phase(of_policy()) == ("True", "NoAgentsReferencing", "Current")


def test_a_policy_waits_for_every_agent() -> None:
    status = of_policy(figures(), figures("slow", enforced=2, serving=3))
    assert phase(status) == ("False", "NotYetEnforced", "InProgress")
    assert (status.agents, status.enforced) == (2, "3/4")
    assert "acme/slow" in status.conditions[0].message


def test_pods_that_hold_another_version_of_the_policy_do_not_count() -> None:
    status = of_policy(figures(policies={"acme/base": "sha256:old"}))
    assert (phase(status), status.enforced) == (("False", "NotYetEnforced", "InProgress"), "0/1")


def test_an_agent_without_serving_pod_does_not_count_against_it_and_is_named() -> None:
    status = of_policy(figures(), figures("idle", enforced=0, serving=0))
    assert phase(status) == ("True", "Enforced", "Current")
    assert "acme/idle" in status.conditions[0].message


def test_many_agents_are_not_all_named() -> None:
    message = of_policy(*(figures(f"a{n}", enforced=0) for n in range(9))).conditions[0].message
    assert "9 of 9 agents" in message
    assert "acme/a4 and 4 more" in message


def test_a_policy_that_selects_namespaces_outside_the_operators_is_not_accepted() -> None:
    misplaced = policy("base", selector={"namespaces": {}})
    status = policy_status(misplaced, [figures()], INSTALLATION, None, NOW)
    assert phase(status) == ("False", "Invalid", "Failed")
    assert "only a policy of the operator's own namespace" in status.conditions[1].message


def test_a_trial_that_is_one_more_than_an_agent_tries_says_so() -> None:
    trial = for_all("base", mode="Audit", size={"turnTimeout": "90s"})
    left_out = figures("full", policies={"acme/base": None}, untried=frozenset({"acme/base"}))
    tried = figures("other", policies={"acme/base": digest_of_policy(trial)})

    status = policy_status(trial, [left_out, tried], INSTALLATION, None, NOW)

    assert phase(status) == ("False", "NotTried", "Failed")
    assert status.conditions[0].message == (
        "1 of 2 agents do not try it: acme/full. An agent tries 8 policies in mode Audit at most, the first by "
        "namespace and name, as far as they fit into its config. Change one of the others, or delete it."
    )
    assert (status.agents, status.enforced) == (2, "1/2")
    assert phase(policy_status(trial, [tried], INSTALLATION, None, NOW)) == ("True", "Enforced", "Current")


def test_a_route_whose_condition_is_none_says_so_by_its_own_reason() -> None:
    rules = [{"name": "all", "match": {"when": "turn.caller == 'x'"}, "providers": [{"name": "onprem"}]}]
    status = route_status(route(rules=rules), [], INSTALLATION, None, NOW)
    assert phase(status) == ("False", "InvalidExpression", "Failed")


def test_an_unreadable_policy_or_route_is_not_accepted() -> None:
    unreadable = Invalid(Metadata("acme", "base", generation=1), "spec.size: nonsense")
    assert phase(policy_status(unreadable, [], INSTALLATION, None, NOW)) == ("False", "Invalid", "Failed")
    assert phase(route_status(unreadable, [], INSTALLATION, None, NOW)) == ("False", "Invalid", "Failed")


def test_a_route_in_force_says_what_it_holds() -> None:
    status = route_status(ROUTE, [figures()], INSTALLATION, None, NOW)
    assert phase(status) == ("True", "Enforced", "Current")
    assert (status.provider_count, status.rule_count, status.agents, status.enforced) == (2, 2, 1, "1/1")


def test_a_route_that_an_agent_does_not_take_yet_waits() -> None:
    status = route_status(ROUTE, [figures(route_digest=None)], INSTALLATION, None, NOW)
    assert phase(status) == ("False", "NotYetEnforced", "InProgress")


def test_a_rule_that_names_nobody_is_not_accepted() -> None:
    wrong = route(rules=[{"name": "all", "providers": [{"name": "nobody"}]}])
    status = route_status(wrong, [], INSTALLATION, None, NOW)
    assert phase(status) == ("False", "Invalid", "Failed")
    assert "all names the provider nobody" in status.conditions[0].message


def test_the_digest_of_a_policy_is_over_its_meaning() -> None:
    assert digest_of_policy(for_all("base", size={"turnTimeout": "1m30s"})) == digest_of_policy()
    assert digest_of_policy(policy("base", size={"turnTimeout": "90s"})) != digest_of_policy()


def test_a_status_without_change_is_the_same_status() -> None:
    first = policy_status(POLICY, [figures()], INSTALLATION, None, NOW)
    assert policy_status(POLICY, [figures()], INSTALLATION, first, LATER) == first


def test_a_route_tells_the_price_in_force_of_each_provider() -> None:
    priced = route(
        providers=[CLOUD, {**ONPREM, "price": {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0"}}]
    )
    rates = {"input": "0", "output": "0", "cachedInput": "0", "cacheWrite": "0"}
    assert route_status(priced, [], INSTALLATION, None, NOW).wire()["providers"] == [
        {
            "name": "cloud",
            "price": {
                "source": "genai-prices/0.2.3@2026-11-26",
                "bands": [{"above": 0, "input": "1.25", "output": "10", "cachedInput": "0.125", "cacheWrite": "1.25"}],
            },
        },
        {"name": "onprem", "price": {"source": "route", "bands": [{"above": 0, **rates}]}},
    ]


def test_a_route_says_of_a_provider_without_a_price_nothing_but_its_name() -> None:
    told = route_status(route(), [], INSTALLATION, None, NOW).wire()["providers"]
    assert told[1] == {"name": "onprem"}


def test_another_price_is_another_digest() -> None:
    dearer = {**CLOUD, "price": {"inputPerMillionTokens": "2", "outputPerMillionTokens": "10"}}
    status = route_status(route(providers=[dearer, ONPREM]), [], INSTALLATION, None, NOW)
    assert status.digest != digest_of_route()


def test_a_route_with_a_price_below_the_table_is_not_accepted() -> None:
    cheap = {**CLOUD, "price": {"inputPerMillionTokens": "0.01", "outputPerMillionTokens": "10"}}
    status = route_status(route(providers=[cheap, ONPREM]), [], INSTALLATION, None, NOW)
    assert (status.conditions[0].reason, status.conditions[1].status.value) == ("Invalid", "False")
    assert "below 1.25, the price of gpt-5 in genai-prices/0.2.3@2026-11-26" in status.conditions[1].message
