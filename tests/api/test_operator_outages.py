"""What the operator goes through in a bad hour: a killed leader, a server that has enough, a token that is refused.

Afterwards everything is as if nothing had happened: each child there once, made once, and nothing missing.
"""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from regent_operator.engine.resources import CHILDREN as CHILD_KINDS
from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import CHILDREN, Object, Start, World, agent, policy, route
from tests.api.running_operator import RunningOperator, eventually
from tests.api.slow_proxy import SlowProxy
from tests.cluster import Cluster, CommandError
from tests.cluster.ownnode import OwnNode

AGENTS = 60
PLURALS = {child.kind.lower(): child.plural for child in CHILD_KINDS}


def _names(count: int) -> list[str]:
    return [f"a{number:02}" for number in range(count)]


def _all_ready(world: World, count: int) -> bool:
    states = [world_agent.get("status", {}).get("conditions", []) for world_agent in world.all("aiagents")]
    ready = sum(any((c["type"], c["status"], c["reason"]) == ("Ready", "True", "Ready") for c in s) for s in states)
    assert ready == count, ready
    return True


def _each_once(world: World, operator: RunningOperator, mark: int, count: int) -> None:
    """Every agent has each child, owned by it; each came into being once; no pod is one too many."""
    owners = {item["metadata"]["name"]: item["metadata"]["uid"] for item in world.all("aiagents")}
    for kind in CHILDREN:
        children = [item for item in world.all(kind) if item["metadata"].get("ownerReferences")]
        found = {c["metadata"]["name"]: c["metadata"]["ownerReferences"][0]["uid"] for c in children}
        assert found == owners, kind
        ours = [r for r in operator.requests(mark) if r.namespace == world.namespace and r.resource == PLURALS[kind]]
        made = Counter(r.name for r in ours if r.verb == "patch" and r.code == 201)
        assert set(made.values()) == {1}, kind
    assert len(world.all("pods")) == count


def test_a_leader_that_is_killed_in_the_middle_of_many_creations(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    """Whatever it asks about an agent whose name ends with 5 is held back, so that it cannot have finished."""
    with (
        SlowProxy(control_plane.kubeconfig, hold="5", agent="regent") as proxy,
        start_operator("leader", server=proxy.url) as leader,
    ):
        eventually("it leads", leader.leads)
        with start_operator("standby") as standby:
            eventually("the other is warm", lambda: standby.page("/readyz")[0] == 200)
            mark = leader.mark_now()
            world.apply(route(), policy(selector={}), *map(agent, _names(AGENTS)))
            eventually("in the middle", lambda: proxy.held and len(world.all("deployments")) >= AGENTS // 4)
            leader.kill()
            assert len(world.all("deployments")) < AGENTS
            eventually("the standby leads", standby.leads)
            eventually("all Ready", lambda: _all_ready(world, AGENTS))
            _each_once(world, standby, mark, AGENTS)


def test_a_server_that_refuses_every_second_request_for_a_while(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    with SlowProxy(control_plane.kubeconfig) as proxy, start_operator(server=proxy.url) as operator:
        eventually("it leads", operator.leads)
        mark = operator.mark_now()
        proxy.busy_every = 2
        world.apply(route(), policy(selector={}), *map(agent, _names(8)))
        eventually("it was told to wait", lambda: proxy.refused >= 40)
        proxy.busy_every = 0
        eventually("all Ready", lambda: _all_ready(world, 8))
        _each_once(world, operator, mark, 8)


def test_watches_that_are_cut_again_and_again(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    with SlowProxy(control_plane.kubeconfig) as proxy, start_operator(server=proxy.url) as operator:
        world.apply(route(), policy(selector={}), *map(agent, _names(4)))
        eventually("all Ready", lambda: _all_ready(world, 4))
        for tokens in (51, 52, 53, 54, 55):
            proxy.cut()
            world.apply(policy(selector={}, size={"maxOutputTokens": tokens}))
            world.delete("service", f"a0{tokens % 4}", "--ignore-not-found")
        wanted = '"maxOutputTokens":55'
        eventually("the last edit", lambda: all(wanted in _config(world, n) for n in _names(4)))
        eventually("what was deleted is back", lambda: len(world.all("service")) == 4)
        eventually("all Ready", lambda: _all_ready(world, 4))
        assert len(world.all("pods")) == 4
        eventually("it leads", operator.leads)


def test_watches_whose_version_is_gone_list_anew_and_miss_nothing(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    """While every watch is told 410, things come, change and go; what is known afterwards is what is there."""
    with SlowProxy(control_plane.kubeconfig) as proxy, start_operator(server=proxy.url) as operator:
        world.apply(route(), policy(selector={}), *map(agent, _names(4)))
        eventually("all Ready", lambda: _all_ready(world, 4))
        mark = operator.mark_now()
        proxy.too_old = True
        proxy.cut()
        world.delete("service", "a00")
        world.delete("aiagent", "a01")
        world.apply(agent("a04"), policy(selector={}, size={"maxOutputTokens": 55}))
        eventually("every watch was told", lambda: proxy.told_too_old >= 30)
        proxy.too_old = False
        eventually("all Ready", lambda: _all_ready(world, 4))
        names = ["a00", "a02", "a03", "a04"]
        wanted = '"maxOutputTokens":55'
        eventually("the edit", lambda: all(wanted in _config(world, name) for name in names))
        for kind in (*CHILDREN, "pods"):
            eventually(kind, lambda kind=kind: _agents_of(world, kind) == names)
        deletions = [r for r in operator.writes(mark) if r.verb == "delete"]
        assert deletions == [], "children go by garbage collection"


def test_an_api_server_that_is_killed_and_comes_back(
    world: World, floor: Object, kubelet: FakeKubelet, start_operator: Start, control_plane: Cluster
) -> None:
    """In the middle of creations; afterwards edits are followed as before, by the same process."""
    assert isinstance(control_plane, OwnNode), "the test must be able to kill it"

    def answers() -> bool:
        try:
            return control_plane.kubectl("get", "--raw", "/readyz") == "ok"
        except CommandError:
            return False

    with start_operator() as operator:
        eventually("it leads", operator.leads)
        mark = operator.mark_now()
        world.apply(route(), policy(selector={}), *map(agent, _names(20)))
        eventually("in the middle", lambda: len(world.all("deployments")) >= 3)
        control_plane.signal("kube-apiserver", "KILL")
        eventually("it answers again", answers)
        eventually("all Ready", lambda: _all_ready(world, 20))
        _each_once(world, operator, mark, 20)
        world.apply(policy(selector={}, size={"maxOutputTokens": 55}))
        wanted = '"maxOutputTokens":55'
        eventually("an edit", lambda: all(wanted in _config(world, name) for name in _names(20)))
        assert operator.page("/livez")[0] == 200
        assert operator.process
        assert operator.process.poll() is None, "the same process as before"


def _agents_of(world: World, kind: str) -> list[str]:
    ours = (item["metadata"].get("labels", {}).get("regent.dev/agent") for item in world.all(kind))
    return sorted(name for name in ours if name)


@pytest.fixture
def token_file(operator_kubeconfig: Path, tmp_path: Path) -> Path:
    document = yaml.safe_load(operator_kubeconfig.read_text())
    token = tmp_path / "token"
    token.write_text(document["users"][0]["user"]["token"])
    return token


def test_a_token_that_is_refused_until_a_new_one_is_there(
    world: World,
    floor: Object,
    kubelet: FakeKubelet,
    control_plane: Cluster,
    operator_kubeconfig: Path,
    token_file: Path,
) -> None:
    """The kubelet writes the new token into the same file; nobody restarts the operator."""
    good = token_file.read_text()
    document = yaml.safe_load(operator_kubeconfig.read_text())
    document["users"][0]["user"] = {"tokenFile": str(token_file)}
    kubeconfig = token_file.parent / "by-file.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    with SlowProxy(control_plane.kubeconfig) as proxy:
        operator = RunningOperator(control_plane, kubeconfig, token_file.parent, "by-file", (), proxy.url).start()
        try:
            world.apply(route(), policy(selector={}), agent())
            world.await_ready("helper")
            token_file.write_text("expired")
            proxy.expired = good
            proxy.cut()
            world.apply(policy(selector={}, size={"maxOutputTokens": 77}))
            eventually("it has stopped leading", lambda: not operator.leads())
            assert operator.page("/livez")[0] == 200
            token_file.write_text(good)
            proxy.expired = ""
            eventually("the edit", lambda: '"maxOutputTokens":77' in _config(world))
            world.await_ready("helper")
        finally:
            operator.stop()


def _config(world: World, name: str = "helper") -> str:
    return str((world.get("configmap", name) or {})["data"]["agent.json"])
