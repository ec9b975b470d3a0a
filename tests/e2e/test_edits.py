"""What changes while it runs: policy edits, hand edits, suspension, the number of pods."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.cluster import CommandError
from tests.e2e import caller, manifests
from tests.e2e.conftest import SYSTEM, Installed
from tests.e2e.kube import History, Kube, Object, condition, kstatus, recorded, standing_still


def config_of(kube: Kube, namespace: str, name: str = "helper") -> Object:
    found: Object = json.loads(kube.get("configmap", name, namespace)["data"]["agent.json"])
    return found


def test_a_policy_edit_is_enforced_in_the_same_pods_while_a_stream_goes_on(
    regent: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = regent.kube
    kube.apply(manifests.policy("house", namespace, size={"maxOutputTokens": 200}))
    regent.slow_agent(namespace, policyRefs=[{"name": "house"}], scaling={"replicas": 2})
    kube.until("both pods are there", lambda: kube.get("aiagent", "helper", namespace)["status"]["enforced"] == "2/2")
    uids = kube.pod_uids("helper", namespace)
    before = kube.get("aiagent", "helper", namespace)["status"]["digests"]
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")

    with tells_of_one_edit(kube, namespace), friend.stream(f"{namespace}/helper", "go", max_tokens=4000) as running:
        running.until_pieces(3)
        began = time.monotonic()
        only = [{"name": "friend"}]
        edit = manifests.policy("house", namespace, size={"maxOutputTokens": 20}, callers={"serviceAccounts": only})
        kube.apply(edit)

        def enforced() -> bool:
            status = kube.get("aiagent", "helper", namespace)["status"]
            return bool(status["digests"]["policy"] != before["policy"] and status["enforced"] == "2/2")

        kube.until("the edit is enforced in both pods", enforced)
        seconds_printed("policy edit to enforced in 2 pods, as kubectl sees it", time.monotonic() - began)
        assert running.process.poll() is None, "the stream must still be running"
        answer = running.rest()

    assert answer.error is None
    assert answer.finish == "stop"
    assert len(answer.pieces) >= 60, "the stream that began before the edit ends as it began"
    assert kube.pod_uids("helper", namespace) == uids, "no pod was restarted"
    assert config_of(kube, namespace)["policy"]["size"]["maxOutputTokens"] == 20
    someone = caller.start(kube, "someone", namespace, "someone", f"{namespace}/helper")
    assert someone.ask(f"{namespace}/helper").status == 403, "the new list of callers is in force"
    assert offers_taken(kube) >= 2, "the operator handed the config to both pods, past the kubelet"


@contextmanager
def tells_of_one_edit(kube: Kube, namespace: str) -> Iterator[None]:
    """The statuses of the agent `helper` and of the policy `house`, while an edit of the policy becomes enforced."""
    with kube.record("aiagent", "helper", namespace) as agent, kube.record("agentpolicy", "house", namespace) as policy:
        histories = (agent, policy)
        kube.until("it begins at rest", lambda: [each.phases()[-1:] for each in histories] == [["Current"]] * 2)
        yield
        kube.until_condition("agentpolicy", "house", namespace, "Ready", "True", "Enforced")
        kube.until(
            "it ends at rest", lambda: [each.phases()[-2:] for each in histories] == [["InProgress", "Current"]] * 2
        )
    assert ("False", "NotYetEnforced") in agent.of("PolicyEnforced")
    assert agent.of("PolicyEnforced")[-1] == policy.of("Ready")[-1] == ("True", "Enforced")
    behind = [each for each in agent.versions if condition(each, "PolicyEnforced").get("reason") == "NotYetEnforced"]
    assert set(kstatus(*behind)) == {"InProgress"}
    assert [each.phases()[-3:] for each in histories] == [["Current", "InProgress", "Current"]] * 2


def offers_taken(kube: Kube) -> float:
    """By pods, from all replicas of the operator."""
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
    taken = 'regent_operator_requests_total{code="200",resource="config",verb="OFFER"} '
    names = [pod["metadata"]["name"] for pod in kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")]
    told = [line for name in names for line in kube.python(name, SYSTEM, program).splitlines()]
    return sum(float(line.removeprefix(taken)) for line in told if line.startswith(taken))


@contextmanager
def operator_away(kube: Kube) -> Iterator[None]:
    """So that what was written by hand lies there until the pods have seen it."""
    scale = ("scale", "deployment/regent-operator", "--namespace", SYSTEM)
    kube(*scale, "--replicas=0")
    kube.until(
        "the operator is away", lambda: not kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")
    )
    try:
        yield
    finally:
        kube(*scale, "--replicas=2")


def edit_config(kube: Kube, namespace: str, data: Object) -> None:
    """By hand, and the pods touched, so that the kubelet brings it at once."""
    hand = kube.past_admission()
    hand.patch("configmap", "helper", namespace, {"data": data})
    hand(
        "annotate", "pods", "--namespace", namespace, "--selector", "regent.dev/agent=helper", f"by-hand={time.time()}"
    )


def refusal(kube: Kube, pod: Object, words: str) -> None:
    """Waits until the pod says that it refuses its ConfigMap, and why."""
    kube.until(f"the pod says: {words}", lambda: words in (said(kube, pod).get("configError") or ""))


def said(kube: Kube, pod: Object) -> Object:
    """What the pod says of itself; {} while its container starts."""
    try:
        return kube.statusz(pod)
    except CommandError:
        return {}


def test_a_laxer_config_written_by_hand_is_refused_by_the_pod_and_healed(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    good = kube.get("configmap", "helper", namespace)["data"]
    nobody = caller.start(kube, "nobody", namespace, "nobody", f"{namespace}/helper")
    lax = json.loads(good["agent.json"])
    lax["policy"]["callers"]["anonymous"] = "Allow"
    (pod,) = kube.pods("helper", namespace)
    before = kube.statusz(pod)
    with standing_still(kube, namespace):
        with operator_away(kube):
            edit_config(kube, namespace, {"agent.json": json.dumps(lax)})
            refusal(kube, pod, "not the one that the operator sealed")
            assert kube.statusz(pod)["digests"] == before["digests"]
            assert nobody.ask(f"{namespace}/helper", token=None).status == 401
        kube.until("it is healed", lambda: kube.get("configmap", "helper", namespace)["data"] == good)
        kube.until("the pod says nothing more", lambda: kube.statusz(pod)["configError"] is None)
    assert kube.statusz(pod)["configSequence"] == before["configSequence"], "the seal stood, and was not made anew"
    assert kube.pod_uids("helper", namespace) == {pod["metadata"]["uid"]}


def test_an_old_config_put_back_by_hand_is_refused_also_by_a_container_that_starts_again(
    regent: Installed, namespace: str
) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    kube.apply(manifests.policy("open", namespace, selector={}, callers={"mayInstruct": "Deny"}, size=FEW))
    kube.until("the edit is written", lambda: config_of(kube, namespace)["policy"]["size"]["maxOutputTokens"] == 200)
    kube.until_condition("agentpolicy", "open", namespace, "Ready", "True")
    old = kube.get("configmap", "helper", namespace)["data"]
    kube.apply(manifests.policy("open", namespace, selector={}, callers={"mayInstruct": "Deny"}, size=FEWER))
    (pod,) = kube.pods("helper", namespace)
    kube.until("the pod holds less", lambda: kube.statusz(pod)["configSequence"] > sequence_of(old))
    kube.until("its file does, too", lambda: sequence_of(mounted(kube, pod)) > sequence_of(old))
    digests = kube.statusz(pod)["digests"]
    with recorded(kube, namespace) as history:
        with operator_away(kube):
            edit_config(kube, namespace, old)
            refusal(kube, pod, "older than the config in force")
            assert kube.statusz(pod)["digests"] == digests
            end_process(kube, pod)
            kube.until(
                "its container started again",
                lambda: kube.pods("helper", namespace)[0]["status"]["containerStatuses"][0]["restartCount"] == 1,
            )
            refusal(kube, pod, "older than the config in force")
            assert kube.statusz(pod)["digests"] is None, "it remembers what it held, and would rather hold nothing"
        kube.until("the newest is back in force", lambda: said(kube, pod).get("digests") == digests)
        kube.until_ready("helper", namespace)
    first, *between, last = history.of("Ready")
    assert first == last == ("True", "Ready")
    assert {status for status, _ in between} == {"False"}, "its only pod holds nothing, and it is said"
    tells_the_truth(history)
    assert kube.pod_uids("helper", namespace) == {pod["metadata"]["uid"]}


FEW, FEWER = {"maxOutputTokens": 200}, {"maxOutputTokens": 20}


def sequence_of(data: Object) -> int:
    number: int = json.loads(data["agent.seal.json"])["sequence"]
    return number


def mounted(kube: Kube, pod: Object) -> Object:
    """What the kubelet has brought; a config that was handed over may be newer."""
    program = "print(open('/etc/regent/config/agent.seal.json').read())"
    return {"agent.seal.json": kube.python(pod["metadata"]["name"], pod["metadata"]["namespace"], program)}


def end_process(kube: Kube, pod: Object) -> None:
    """An idle runtime ends at the signal, and the kubelet starts the container again; with it ends what asked for it."""
    program = "import os, signal; os.kill(1, signal.SIGTERM)"
    with suppress(CommandError):
        kube.python(pod["metadata"]["name"], pod["metadata"]["namespace"], program)


def test_an_admin_cannot_write_a_child_and_is_told_what_to_edit(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    for words in (
        ("patch", "configmap", "helper", "--type=merge", "--patch", '{"data": {"agent.json": "{}"}}'),
        ("patch", "networkpolicy", "helper", "--type=merge", "--patch", '{"spec": {"ingress": [{}]}}'),
        ("delete", "deployment", "helper"),
    ):
        with pytest.raises(CommandError, match="edit the AIAgent, its AgentPolicy or its ModelRoute instead"):
            kube(*words, "--namespace", namespace)
    before = kube.pod_uids("helper", namespace)
    kube("rollout", "restart", "deployment/helper", "--namespace", namespace)
    kube.until(
        "its pod was replaced", lambda: len(after := kube.pod_uids("helper", namespace)) == 1 and after != before
    )
    kube.until_ready("helper", namespace)


def test_an_invalid_config_written_by_hand_leaves_the_last_good_one_in_force(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    good = config_of(kube, namespace)
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    (pod,) = kube.pods("helper", namespace)
    with standing_still(kube, namespace):
        with operator_away(kube):
            edit_config(kube, namespace, {"agent.json": "{", "agent.seal.json": None})
            refusal(kube, pod, "agent.seal.json is missing")
            assert friend.ask(f"{namespace}/helper").status == 200
            assert friend.ask(f"{namespace}/helper", token=None).status == 401
        kube.until(
            "the config is healed", lambda: kube.get("configmap", "helper", namespace)["data"]["agent.json"] != "{"
        )
        assert config_of(kube, namespace) == good
        kube.until("the pod holds it, sealed anew", lambda: kube.statusz(pod)["configError"] is None)


def tells_the_truth(history: History) -> None:
    """In each version: Ready only beside what it stands for, and otherwise under way, never stalled."""
    assert history.versions
    for version in history.versions:
        if condition(version, "Ready")["status"] == "True":
            parts = ("Accepted", "ResolvedRefs", "PolicyEnforced", "WorkloadAvailable")
            assert {part: condition(version, part)["status"] for part in parts} == dict.fromkeys(parts, "True")
        else:
            assert condition(version, "Reconciling")["status"] == "True", version["status"]
    assert set(kstatus(*history.versions)) <= {"Current", "InProgress"}


def test_children_edited_by_hand_are_healed_and_the_agent_stays_ready(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace, scaling={"replicas": 2})
    edits: dict[str, Object] = {
        "service": {"spec": {"selector": {"regent.dev/agent": "other"}}},
        "networkpolicy": {"spec": {"ingress": [{}]}},
        "serviceaccount": {"automountServiceAccountToken": True},
        "poddisruptionbudget": {"spec": {"maxUnavailable": 2}},
        "deployment": {"spec": {"template": {"spec": {"automountServiceAccountToken": True}}}},
    }
    with kube.record("aiagent", "helper", namespace) as history:
        kube.until("the status before is known", lambda: history.of("Ready") == [("True", "Ready")])
        for kind, edit in edits.items():
            good = kube.get(kind, "helper", namespace)
            kube.past_admission().patch(kind, "helper", namespace, edit)

            def healed(kind: str = kind, good: Object = good) -> bool:
                found = kube.get(kind, "helper", namespace)
                return found.get("spec") == good.get("spec") and found.get("automountServiceAccountToken") == good.get(
                    "automountServiceAccountToken"
                )

            kube.until(f"the {kind} is healed", healed)
        kube.until_current("aiagent", "helper", namespace)
    assert history.of("Ready") == [("True", "Ready")], "the pods went on serving"
    tells_the_truth(history)


def test_children_deleted_by_hand_are_back_and_the_status_says_what_is_away(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace, scaling={"replicas": 2})
    quiet = ("configmap", "service", "networkpolicy", "serviceaccount", "poddisruptionbudget")
    with kube.record("aiagent", "helper", namespace) as history:
        kube.until("the status before is known", lambda: history.of("Ready") == [("True", "Ready")])
        for kind in quiet:
            deleted_and_back(kube, kind, namespace)
        kube.until_current("aiagent", "helper", namespace)
        assert history.of("Ready") == [("True", "Ready")], "the pods went on serving"
        pods = kube.pod_uids("helper", namespace)
        deleted_and_back(kube, "deployment", namespace)
        kube.until("two new pods", lambda: len(kube.pod_uids("helper", namespace) - pods) == 2)
        kube.until_current("aiagent", "helper", namespace)
    first, *between, last = history.of("Ready")
    assert first == last == ("True", "Ready")
    assert "False" in {status for status, _ in between}, "nobody could serve, and it was said"
    tells_the_truth(history)


def deleted_and_back(kube: Kube, kind: str, namespace: str) -> None:
    uid = kube.get(kind, "helper", namespace)["metadata"]["uid"]
    kube.past_admission().delete(kind, "helper", namespace)

    def back() -> bool:
        found = kube.find(kind, "helper", namespace)
        return found is not None and found["metadata"]["uid"] != uid

    kube.until(f"the {kind} is back", back)


def test_suspend_refuses_at_once_then_scales_to_zero_and_resume_restores(
    regent: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = regent.kube
    regent.slow_agent(namespace, scaling={"replicas": 2})
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    with kube.record("aiagent", "helper", namespace) as history, friend.stream(f"{namespace}/helper", "go") as running:
        running.until_pieces(2)
        began = time.monotonic()
        kube.patch("aiagent", "helper", namespace, {"spec": {"suspend": True}})
        answer = running.rest()
        seconds_printed("suspend to the end of a running turn", time.monotonic() - began)
        kube.until_condition("aiagent", "helper", namespace, "Ready", "True", "Suspended")
    assert history.of("Ready")[0] == ("True", "Ready")
    assert history.of("Ready")[-1] == ("True", "Suspended")
    assert answer.error is not None, "a running turn ends with a typed error"
    assert answer.error["code"] == "agent_suspended"
    assert len(answer.pieces) < 60
    found = kube.until_condition("aiagent", "helper", namespace, "Ready", "True", "Suspended")
    assert condition(found, "Suspended")["status"] == "True"
    kube.until("no pod is left", lambda: not kube.pods("helper", namespace))
    assert kube.get("deployment", "helper", namespace)["spec"]["replicas"] == 0
    kube.until_current("aiagent", "helper", namespace)

    kube.patch("aiagent", "helper", namespace, {"spec": {"suspend": False}})
    kube.until_condition("aiagent", "helper", namespace, "Ready", "True", "Ready")
    kube.until("two pods serve", lambda: kube.get("aiagent", "helper", namespace)["status"]["enforced"] == "2/2")
    assert friend.ask(f"{namespace}/helper", stream=False).status == 200


def test_a_suspended_agent_answers_403_until_its_pod_is_gone(
    regent: Installed, namespace: str, seconds_printed: Callable[[str, float], None]
) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    (pod,) = kube.pods("helper", namespace)
    address = f"http://{pod['status']['podIP']}:8080/v1/chat/completions"  # the pod itself, also while it ends
    with friend.stream(f"{namespace}/helper", "go", url=address, repeat=20, stream=False, max_tokens=1) as asking:
        began = time.monotonic()
        kube.patch("aiagent", "helper", namespace, {"spec": {"suspend": True}})
        outcomes = asking.rest().outcomes
    refused = [outcome for outcome in outcomes if outcome[1] == 403]
    assert refused, outcomes
    assert {outcome[2:] for outcome in refused} == {("agent_suspended", "false")}
    assert 200 not in [outcome[1] for outcome in outcomes if outcome[0] > refused[0][0]]
    seconds_printed("suspend to the first refusal, at most", time.monotonic() - began - 20 + refused[0][0])
    kube.until_condition("aiagent", "helper", namespace, "Ready", "True", "Suspended")


def test_replicas_follow_up_and_down(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    regent.slow_agent(namespace)
    assert kube.find("poddisruptionbudget", "helper", namespace) is None
    for wanted in (3, 1):

        def settled(wanted: int = wanted) -> bool:
            status = kube.get("aiagent", "helper", namespace)["status"]
            return bool(status.get("replicas") == wanted and status["enforced"] == f"{wanted}/{wanted}")

        with kube.record("aiagent", "helper", namespace) as history:
            kube.patch("aiagent", "helper", namespace, {"spec": {"scaling": {"replicas": wanted}}})
            kube.until(f"{wanted} pods serve", settled)
            kube.until_current("aiagent", "helper", namespace)
        told = {entry for entry in history.of("Ready") if entry[0] != "True"}
        assert told <= {("False", "NotYetEnforced")}, "without a shared state a second pod ends conversations: an edit"
        assert history.of("Reconciling"), "and says that it is under way"
        assert (kube.find("poddisruptionbudget", "helper", namespace) is not None) == (wanted > 1)
