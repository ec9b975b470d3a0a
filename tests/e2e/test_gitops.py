"""What GitOps tools make of the objects in each phase: kstatus, computed from the live objects by cli-utils itself."""

from tests.e2e import manifests
from tests.e2e.conftest import Installed
from tests.e2e.kube import condition, kstatus


def test_kstatus_of_each_phase(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.standin("cloud", namespace)
    kube.apply(manifests.agent("helper", namespace, "route"))
    waiting = kube.until_condition("aiagent", "helper", namespace, "Ready", "False", "RouteMissing")
    assert kstatus(waiting) == ["InProgress"]
    assert condition(waiting, "Reconciling")["status"] == "True"

    with kube.record("aiagent", "helper", namespace) as history:
        kube.apply(manifests.route("route", namespace, [manifests.provider("cloud", f"cloud.{namespace}.svc")]))
        serving = kube.until_ready("helper", namespace)
        kube.until_current("aiagent", "helper", namespace)
    phases = kstatus(*history.versions)
    assert phases[0] == "InProgress"
    assert phases[-1] == "Current"
    assert "Failed" not in phases
    assert condition(serving, "Stalled") == {}

    kube.apply(manifests.policy("elsewhere", namespace, selector={"namespaces": {"matchLabels": {"a": "b"}}}))
    wrong = kube.until_condition("agentpolicy", "elsewhere", namespace, "Ready", "False", "Invalid")
    assert kstatus(wrong) == ["Failed"]
    kube.delete("agentpolicy", "elsewhere", namespace)

    kube.patch("aiagent", "helper", namespace, {"spec": {"suspend": True}})
    kube.until_condition("aiagent", "helper", namespace, "Ready", "True", "Suspended")
    kube.until_current("aiagent", "helper", namespace)


def test_a_crash_loop_is_stalled(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.standin("cloud", namespace)
    starved = {"resources": {"limits": {"memory": "8Mi"}, "requests": {"memory": "8Mi"}}}
    kube.apply(
        manifests.route("route", namespace, [manifests.provider("cloud", f"cloud.{namespace}.svc")]),
        manifests.agent("helper", namespace, "route", workload=starved),
    )
    found = kube.until_condition("aiagent", "helper", namespace, "Stalled", "True")
    assert condition(found, "Ready")["status"] == "False"
    assert kstatus(found) == ["Failed"]
