from dataclasses import replace

from regent_api.policy import AuditDurability
from regent_api.status import ConditionType, Reason
from regent_operator.plan import collector, deployment, networkpolicy
from regent_operator.plan.agent import plan_agent
from regent_operator.plan.inputs import AgentInputs
from tests.enforces import enforces
from tests.unit.plan.samples import INSTALLATION, LOCAL_HOSTS, SERVICES, agent, for_all, inputs

WITH = replace(INSTALLATION, collector_url="http://regent-collector.regent-system.svc:8080")


def test_a_pod_gets_a_token_of_the_collectors_audience_and_its_address() -> None:
    bare = deployment.build(agent(), INSTALLATION, frozenset(), 1)["spec"]["template"]["spec"]
    pod = deployment.build(agent(), WITH, frozenset(), 1)["spec"]["template"]["spec"]
    token = {"serviceAccountToken": {"audience": "regent-collector", "expirationSeconds": 3600, "path": "token"}}
    volume = {"name": "collector-token", "projected": {"defaultMode": 0o440, "sources": [token]}}
    mount = {"name": "collector-token", "mountPath": "/etc/regent/collector", "readOnly": True}
    flags = ["--collector", WITH.collector_url, "--collector-token", "/etc/regent/collector/token"]

    (was,), (container,) = bare["containers"], pod["containers"]
    assert pod["volumes"] == [*bare["volumes"], volume]
    assert container["volumeMounts"] == [*was["volumeMounts"], mount]
    assert container["command"] == [*was["command"], *flags]
    assert pod["automountServiceAccountToken"] is False, "and still none for the API server"


def test_the_agents_network_policy_opens_the_way_to_the_collectors_pods_alone() -> None:
    config = plan_agent(inputs(), INSTALLATION).config
    assert config is not None
    bare = networkpolicy.build(agent(), config, SERVICES, INSTALLATION)["spec"]["egress"]
    made = networkpolicy.build(agent(), config, SERVICES, WITH)["spec"]["egress"]
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "regent-system"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "regent-collector"}},
    }
    assert [rule for rule in made if rule not in bare] == [{"to": [peer], "ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert [rule for rule in bare if rule not in made] == []


def test_without_a_collector_there_is_nothing_of_it() -> None:
    parts = (collector.flags, collector.volumes, collector.mounts, collector.egress)
    assert [part(INSTALLATION) for part in parts] == [[], [], [], []]


def collected(name: str = "audited") -> AgentInputs:
    policies = (for_all("base", **LOCAL_HOSTS), for_all(name, audit={"durability": "Collector"}))
    return inputs(policies=policies)


@enforces("audit.durability")
def test_durability_at_a_collector_that_is_not_there_is_told_and_runs_nothing_new() -> None:
    plan = plan_agent(collected(), INSTALLATION)
    (problem,) = plan.problems
    assert (problem.type, problem.reason) == (ConditionType.ACCEPTED, Reason.COLLECTOR_REQUIRED)
    assert "acme/audited want records at a collector" in problem.message
    assert "collector.enabled=true" in problem.message
    assert plan.config is None


def test_a_running_agent_takes_the_obligation_up_so_that_its_pods_deny() -> None:
    last = plan_agent(inputs(), INSTALLATION).config
    plan = plan_agent(replace(collected(), last=last), INSTALLATION)
    assert plan.problems[0].reason is Reason.COLLECTOR_REQUIRED
    assert plan.config is not None
    assert plan.config.policy.audit.durability is AuditDurability.COLLECTOR


def test_with_a_collector_there_is_no_problem() -> None:
    assert plan_agent(collected(), WITH).problems == ()
