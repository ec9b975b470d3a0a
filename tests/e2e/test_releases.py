"""Releases are uninstalled, follow each other and are upgraded, while agents serve: as a person would do it, by Helm."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.charts import CHART, newer
from tests.cluster import CommandError, Request
from tests.e2e import manifests, releases
from tests.e2e.asking import Asking
from tests.e2e.caller import Answer
from tests.e2e.conftest import RELEASE, SYSTEM, Asked, Installed, install
from tests.e2e.kube import Kube, Object, condition, kstatus
from tests.e2e.releases import CHILDREN, Named, World
from tests.e2e.test_operator import leader

SECOND = "second"
CREATED = 201


@pytest.fixture(scope="module")
def world(regent: Installed) -> Iterator[World]:
    with releases.serving(regent) as world:
        yield world


def is_whole(answer: Answer) -> bool:
    """A stream of the slow model that nothing cut."""
    words = [f"word{number}" for number in range(60)]
    return answer.done and (answer.error, answer.finish, answer.text.split()) == (None, "stop", words)


def test_a_release_that_would_run_the_same_agents_is_refused_and_nothing_of_it_is_there(world: World) -> None:
    kube, elsewhere = world.kube, world.regent.namespace()
    ready, children, running = world.ready("pair"), world.children(), releases.operators(kube)
    some = f'--set-json=watchNamespaces=["{world.where}"]'
    for namespace, values in ((elsewhere, ()), (elsewhere, (some,)), (SYSTEM, (some,))):
        with pytest.raises(CommandError) as refused:
            kube.cluster.helm("install", "other", CHART, "--namespace", namespace, *values)
        said = " ".join(refused.value.stderr.split())
        assert f'Release "{RELEASE}" in namespace "{SYSTEM}" runs the agents of' in said
        assert f"helm upgrade {RELEASE} --namespace {SYSTEM}" in said
    assert releases.parts(kube, "other") == []
    for kind in ("deployments", "secrets", "agentpolicies", "leases"):
        assert kube.all_of(kind, elsewhere) == [], kind
    assert (world.ready("pair"), world.children()) == (ready, children)
    assert releases.operators(kube) == running
    world.regent.discard(elsewhere)


@dataclass(frozen=True)
class Alone:
    """Agents whose operator has been uninstalled, and what was true of them before."""

    notes: str
    """What Helm said when the release was installed."""
    said: str
    """What it said when it was uninstalled."""
    parts: list[str]
    shared: Named
    children: Named
    told: dict[tuple[str, str], Object]
    """Kind and name -> status."""
    asking: Asking
    """Somebody who asked before the uninstall and until after it."""
    stream: Answer
    """Begun before the uninstall, ended after it."""
    conversation: str
    """Begun before it."""


TOLD = (("aiagent", "helper"), ("aiagent", "pair"), ("agentpolicy", "house"), ("modelroute", "slow"))


@pytest.fixture(scope="module")
def alone(world: World) -> Iterator[Alone]:
    """After the uninstall somebody edits a policy and applies an agent, as if nothing were missing."""
    kube = world.kube
    for kind, name in TOLD:
        kube.until_current(kind, name, world.where)
    facts = (releases.parts(kube, RELEASE), world.shared(), world.children())
    notes = kube.cluster.helm("get", "notes", RELEASE, "--namespace", SYSTEM)
    told = {(kind, name): world.found(kind, name)["status"] for kind, name in TOLD}
    conversation = world.friend.ask(world.helper).headers["x-regent-conversation"]
    with releases.put_back(world.regent):
        with Asking(world.friend, world.pair) as asking, world.friend.stream(world.helper, "go") as running:
            running.until_pieces(3)
            said = releases.uninstall(kube, RELEASE)
            stream = running.rest()
        world.edit(180)
        kube.apply(manifests.agent("born", world.where, "quick"))
        yield Alone(notes, said, *facts, told, asking, stream, conversation)


def test_uninstall_takes_the_operator_away_and_leaves_agents_and_what_is_the_clusters(
    world: World, alone: Alone
) -> None:
    kube = world.kube
    assert f'release "{RELEASE}" uninstalled' in alone.said
    assert "`helm uninstall` leaves the CRDs, and with them all agents, and the floor policy." in alone.notes
    assert "go on serving under their last policy" in " ".join(alone.notes.split())
    assert len({part.partition("/")[0] for part in alone.parts}) >= 8
    assert releases.parts(kube, RELEASE) == []
    assert world.shared() == alone.shared
    assert world.children() == alone.children


def test_agents_serve_on_under_the_policy_that_they_had(world: World, alone: Alone) -> None:
    kube, friend = world.kube, world.friend
    alone.asking.served()
    assert is_whole(alone.stream)
    again = friend.ask(world.helper, headers={"X-Regent-Conversation": alone.conversation})
    assert (again.status, again.headers["x-regent-conversation"]) == (200, alone.conversation)
    assert friend.ask(world.helper, token=None).status == 401
    assert friend.ask(world.helper, token=world.pair).status == 401
    (pod,) = kube.pods("helper", world.where)
    assert kube.statusz(pod)["digests"]["config"] == alone.told["aiagent", "helper"]["digests"]["config"]


def test_a_pod_that_is_lost_meanwhile_is_replaced_and_serves(world: World, alone: Alone) -> None:
    kube = world.kube
    lost, kept = kube.pods("pair", world.where)
    kube.delete("pod", lost["metadata"]["name"], world.where)

    def serving() -> list[Object]:
        return [pod for pod in kube.pods("pair", world.where) if condition(pod, "Ready").get("status") == "True"]

    kube.until("two pods are ready", lambda: len(serving()) == 2)
    (new,) = [pod for pod in serving() if pod["metadata"]["uid"] != kept["metadata"]["uid"]]
    assert new["metadata"]["uid"] != lost["metadata"]["uid"]
    address = f"http://{new['status']['podIP']}:8080/v1/chat/completions"
    kube.until("the network knows the pod", lambda: world.friend.ask(world.pair, url=address).status == 200)


def test_the_status_is_the_last_one_told_and_what_came_since_is_pending(world: World, alone: Alone) -> None:
    kube = world.kube
    for (kind, name), before in alone.told.items():
        assert world.found(kind, name)["status"]["conditions"] == before["conditions"], (kind, name)
    phases = {name: kstatus(world.found(kind, name)) for kind, name in alone.told}
    assert phases == {"helper": ["Current"], "pair": ["Current"], "slow": ["Current"], "house": ["InProgress"]}

    born = world.found("aiagent", "born")
    assert kstatus(born) == ["InProgress"]
    (ready,) = born["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "Unknown", "Pending")
    assert "check that Regent's operator runs" in ready["message"]
    assert kube("get", "aiagent", "born", "--namespace", world.where, "--no-headers").split()[1:3] == [
        "Unknown",
        "Pending",
    ]
    assert kube.find("deployment", "born", world.where) is None


@dataclass(frozen=True)
class TakenOver:
    """By a release of another name, in the same namespace."""

    shared: Named
    children: Named
    """As they were before it was installed."""
    asked: Asked
    asking: Asking
    stream: Answer


@pytest.fixture(scope="module")
def taken_over(world: World, alone: Alone) -> Iterator[TakenOver]:
    kube = world.kube
    kube.until("nothing ends any more", lambda: not ending(kube, world.where))
    asked, shared, children = Asked(kube.cluster.audit), world.shared(), world.children()
    with Asking(world.friend, world.pair) as asking, world.friend.stream(world.helper, "go") as running:
        running.until_pieces(3)
        install(kube, release=SECOND)
        kube.until_ready("born", world.where)
        world.until_enforced(180)
        stream = running.rest()
    for agent in ("helper", "pair", "born"):
        kube.until_current("aiagent", agent, world.where)
    yield TakenOver(shared, children, asked, asking, stream)
    asked.look()


def ending(kube: Kube, where: str) -> list[Object]:
    return [pod for pod in kube.all_of("pods", where) if "deletionTimestamp" in pod["metadata"]]


def test_a_release_of_another_name_makes_nothing_twice_and_restarts_nothing(
    world: World, alone: Alone, taken_over: TakenOver
) -> None:
    assert sorted(releases.parts(world.kube, SECOND)) == sorted(alone.parts)
    assert world.shared() == taken_over.shared
    now = world.children()
    assert {key: now.get(key) for key in taken_over.children} == taken_over.children
    new = {
        (kind, name) for kind, name in now.keys() - taken_over.children.keys() if kind not in {"replicasets", "pods"}
    }
    expected = {(kind, "born") for kind in ("serviceaccounts", "configmaps", "deployments", "services")}
    assert new == expected | {("networkpolicies", "born")}

    writes = [r for r in taken_over.asked.so_far() if touches_a_child(r, world.where)]
    made = [(r.resource, r.name) for r in writes if r.code == CREATED]
    assert sorted(made) == sorted(new), "each once"
    others = {(r.resource, r.name) for r in writes} - new
    assert others == {("configmaps", "helper")}, "the edit that waited, and nothing else"


def touches_a_child(request: Request, where: str) -> bool:
    return request.is_write and request.namespace == where and request.resource in {*CHILDREN} - {"pods"}


def test_what_waited_for_an_operator_is_done_and_nobody_noticed_the_change(
    world: World, alone: Alone, taken_over: TakenOver
) -> None:
    taken_over.asking.served()
    assert is_whole(taken_over.stream), "it began under the policy that went"
    again = world.friend.ask(world.helper, headers={"X-Regent-Conversation": alone.conversation})
    assert (again.status, again.headers["x-regent-conversation"]) == (200, alone.conversation)
    (pod,) = world.kube.pods("helper", world.where)
    digests = world.found("aiagent", "helper")["status"]["digests"]
    assert digests["policy"] != alone.told["aiagent", "helper"]["digests"]["policy"]
    assert world.kube.statusz(pod)["digests"]["config"] == digests["config"]


def test_an_agent_that_served_all_the_while_was_ready_all_the_while(
    world: World, alone: Alone, taken_over: TakenOver
) -> None:
    before = condition({"status": alone.told["aiagent", "pair"]}, "Ready")
    assert world.ready("pair") == ("True", before["lastTransitionTime"])
    for kind, name in (*TOLD, ("aiagent", "born"), ("modelroute", "quick")):
        assert kstatus(world.found(kind, name)) == ["Current"], (kind, name)


def test_an_upgrade_that_changes_the_crds_leaves_objects_and_pods_as_they_are(
    world: World, taken_over: TakenOver, tmp_path: Path
) -> None:
    kube, agents = world.kube, ("helper", "pair", "born")
    shared, children, written = world.shared(), world.children(), world.written()
    ready, before = [world.ready(agent) for agent in agents], releases.operators(kube)
    conversation = world.friend.ask(world.helper).headers["x-regent-conversation"]
    assert not knows_more(world)
    with Asking(world.friend, world.pair) as asking, world.friend.stream(world.helper, "go") as running:
        running.until_pieces(3)
        install(kube, release=SECOND, chart=newer(tmp_path))
        kube.until("the API server takes what the newer CRDs know", lambda: knows_more(world))
        stream = running.rest()
    asking.served()
    assert is_whole(stream)
    again = world.friend.ask(world.helper, headers={"X-Regent-Conversation": conversation})
    assert (again.status, again.headers["x-regent-conversation"]) == (200, conversation)
    assert (world.shared(), world.children(), world.written()) == (shared, children, written)
    assert [world.ready(agent) for agent in agents] == ready

    kube.until("the operator's pods are the newer chart's", lambda: not before & releases.operators(kube))
    kube.until("one of them leads", lambda: leader(kube) in releases.operators(kube))
    world.edit(160)
    world.until_enforced(160)
    assert world.children() == children


def knows_more(world: World) -> bool:
    """Whether the API server would store a field that only the newer chart's CRDs have, in each of the kinds."""
    patch = ("--type=merge", "--patch", '{"spec": {"newGrant": "x"}}', "--dry-run=server")
    shown = ("--namespace", world.where, "--output", "jsonpath={.spec.newGrant}")
    objects = ("aiagent/helper", "agentpolicy/house", "modelroute/slow")
    try:
        return all(world.kube("patch", each, *patch, *shown) == "x" for each in objects)
    except CommandError:  # while the API server changes from one schema to the other
        return False
