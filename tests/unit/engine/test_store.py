from typing import Any

import pytest

from regent_api.objects import Invalid
from regent_operator.engine.queue import Priority
from regent_operator.engine.resources import AGENTS, POLICIES, ROUTES, Key
from regent_operator.engine.scope import Scope
from regent_operator.engine.store import Store
from regent_operator.plan.status import AgentFigures

Object = dict[str, Any]
OWN = "regent-system"
AGENT = {"instructions": {"inline": "x"}, "modelRouteRef": {"name": "r"}, "sensitivity": "Public"}


class Touched(list[tuple[str, Priority]]):
    def __call__(self, key: Key, priority: Priority) -> None:
        self.append((f"{key.kind} {key.namespace}/{key.name}", priority))

    def take(self) -> set[str]:
        names = {name for name, _ in self}
        self.clear()
        return names


@pytest.fixture
def touched() -> Touched:
    return Touched()


@pytest.fixture
def store(touched: Touched) -> Store:
    return Store(Scope(OWN), touched)


def obj(name: str, version: int, spec: Object, namespace: str = "n", uid: str = "", **more: Any) -> Object:
    meta = {"namespace": namespace, "name": name, "uid": uid or f"{namespace}-{name}", "resourceVersion": str(version)}
    return {"metadata": meta | {"generation": 1} | more, "spec": spec}


def agent(name: str = "a", version: int = 1, namespace: str = "n", route: str = "r", **more: Any) -> Object:
    return obj(name, version, AGENT | {"modelRouteRef": {"name": route}}, namespace, **more)


def policy(name: str = "p", version: int = 1, namespace: str = "n", **more: Any) -> Object:
    return obj(name, version, {"selector": {}}, namespace, **more)


def test_it_is_ready_when_all_three_kinds_were_listed(store: Store) -> None:
    for resource in (AGENTS, POLICIES):
        store.took_list(resource)
        assert not store.ready
    store.took_list(ROUTES)
    assert store.ready


def test_an_event_on_a_policy_touches_the_agents_of_its_namespace(store: Store, touched: Touched) -> None:
    store.seen(AGENTS, agent())
    store.seen(AGENTS, agent(namespace="other"))
    touched.take()
    store.seen(POLICIES, policy())
    assert touched.take() == {"AgentPolicy n/p", "AIAgent n/a"}


def test_an_event_on_a_floor_policy_touches_every_agent(store: Store, touched: Touched) -> None:
    store.seen(AGENTS, agent())
    store.seen(AGENTS, agent(namespace="other"))
    touched.take()
    store.seen(POLICIES, policy(namespace=OWN))
    assert touched.take() == {f"AgentPolicy {OWN}/p", "AIAgent n/a", "AIAgent other/a"}


def test_an_event_on_a_route_touches_the_agents_that_name_it_also_before_it_exists(
    store: Store, touched: Touched
) -> None:
    store.seen(AGENTS, agent("a", route="r"))
    store.seen(AGENTS, agent("b", route="s"))
    touched.take()
    store.seen(ROUTES, obj("r", 1, {}))
    assert touched.take() == {"ModelRoute n/r", "AIAgent n/a"}
    store.seen(AGENTS, agent("a", 2, route="s", generation=2))
    touched.take()
    store.gone(ROUTES, "n", "r", "n-r")
    assert touched.take() == {"ModelRoute n/r"}


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    store.seen(POLICIES, policy(version=5, generation=2))
    store.seen(POLICIES, policy(version=4, generation=1))
    stored = store.get(Key("AgentPolicy", "n", "p"))
    assert stored
    assert stored.metadata.generation == 2


def test_what_is_gone_does_not_come_back_by_an_old_report(store: Store) -> None:
    store.seen(POLICIES, policy(version=5))
    store.gone(POLICIES, "n", "p", "n-p")
    store.seen(POLICIES, policy(version=4))
    assert store.get(Key("AgentPolicy", "n", "p")) is None
    store.seen(POLICIES, policy(version=9, uid="again"))
    assert store.get(Key("AgentPolicy", "n", "p"))


def test_a_late_deletion_does_not_take_the_successor(store: Store) -> None:
    store.seen(POLICIES, policy(version=9, uid="again"))
    store.gone(POLICIES, "n", "p", "n-p")
    assert store.get(Key("AgentPolicy", "n", "p"))


def test_while_only_the_status_moves_the_object_stays_the_same(store: Store, touched: Touched) -> None:
    store.seen(POLICIES, policy())
    before = store.get(Key("AgentPolicy", "n", "p"))
    touched.clear()
    store.seen(POLICIES, policy(version=2) | {"status": {"agents": 3}})
    after = store.get(Key("AgentPolicy", "n", "p"))
    assert before
    assert after
    assert after.object is before.object
    assert after.status.whole == {"agents": 3}
    assert touched == [("AgentPolicy n/p", Priority.RESYNC)]


def test_what_cannot_be_read_is_there_as_invalid(store: Store) -> None:
    store.seen(POLICIES, obj("p", 1, {"selektor": {}}))
    assert isinstance(store.policies_for("n")[0], Invalid)


def test_policies_are_those_of_both_namespaces_in_a_stable_order(store: Store) -> None:
    for name, namespace in (("z", "n"), ("a", "n"), ("floor", OWN), ("x", "other")):
        store.seen(POLICIES, policy(name, namespace=namespace))
    assert [p.metadata.key for p in store.policies_for("n")] == ["n/a", "n/z", f"{OWN}/floor"]
    assert [p.metadata.key for p in store.policies_for(OWN)] == [f"{OWN}/floor"]


def test_a_namespaced_operator_keeps_its_agents_and_the_floor(touched: Touched) -> None:
    store = Store(Scope(OWN, frozenset({"n"})), touched)
    for namespace in ("n", OWN, "other"):
        store.seen(AGENTS, agent(namespace=namespace))
        store.seen(POLICIES, policy(namespace=namespace))
    assert sorted(map(str, store.keys())) == ["AIAgent n/a", "AgentPolicy n/p", f"AgentPolicy {OWN}/p"]


def test_figures_touch_the_policies_and_the_route_for_which_they_changed(store: Store, touched: Touched) -> None:
    store.seen(AGENTS, agent())
    touched.take()
    key = Key("AIAgent", "n", "a")
    figures = AgentFigures("n/a", {"n/p": "1", f"{OWN}/floor": "2"}, "n/r", "3", 0, 0, serving=1)
    store.set_figures(key, figures)
    assert touched.take() == {"AgentPolicy n/p", f"AgentPolicy {OWN}/floor", "ModelRoute n/r"}
    store.set_figures(key, figures)
    assert touched.take() == set()
    assert list(store.figures_of_users(Key("AgentPolicy", "n", "p"))) == [figures]
    store.set_figures(key, None)
    assert touched.take() == {"AgentPolicy n/p", f"AgentPolicy {OWN}/floor", "ModelRoute n/r"}
    assert list(store.figures_of_users(Key("AgentPolicy", "n", "p"))) == []


def test_figures_of_an_agent_that_went_while_it_was_reconciled_are_not_kept(store: Store, touched: Touched) -> None:
    store.seen(AGENTS, agent())
    store.gone(AGENTS, "n", "a", "n-a")
    touched.take()

    store.set_figures(Key(AGENTS.kind, "n", "a"), AgentFigures("n/a", {"n/p": "sha256:1"}, "n/r", "sha256:2", 1, 1, 1))

    assert store.figures_of_users(Key(POLICIES.kind, "n", "p")) == []
    assert touched.take() == set()


@pytest.mark.parametrize("namespace", ["n", OWN])
def test_policies_are_the_very_same_until_one_of_them_changes(store: Store, namespace: str) -> None:
    """A plan is kept for each agent, and holds them."""
    store.seen(AGENTS, agent())
    store.seen(POLICIES, policy("a"))
    before = store.policies_for("n")
    assert store.policies_for("n") is before
    store.seen(POLICIES, policy("b", namespace=namespace))
    assert [p.metadata.key for p in store.policies_for("n")] == sorted(["n/a", f"{namespace}/b"])
    store.seen(POLICIES, policy("b", version=2, namespace=namespace, generation=2))
    edited = store.get(Key(POLICIES.kind, namespace, "b"))
    assert edited is not None
    assert edited.object in store.policies_for("n")
    store.gone(POLICIES, namespace, "b", edited.metadata.uid)
    assert store.policies_for("n") == before


def test_labels_of_an_agent_count_as_an_edit(store: Store, touched: Touched) -> None:
    store.seen(AGENTS, agent())
    touched.clear()
    store.seen(AGENTS, agent(version=2, labels={"team": "x"}))
    assert touched == [("AIAgent n/a", Priority.EDIT)]


def test_a_namespace_without_objects_is_not_remembered(store: Store) -> None:
    store.policies_for("empty")
    list(store.agents("empty"))
    store.seen(AGENTS, agent())
    store.gone(AGENTS, "n", "a", agent()["metadata"]["uid"])
    assert not store._names
    assert not store._policies
