from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import CONFIG_KEY
from regent_operator.engine import children as children_module
from regent_operator.engine.children import ChildKey, Children, program_of
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import CONFIG_MAPS, DEPLOYMENTS, DISRUPTION_BUDGETS, Key
from regent_operator.plan.deployment import build
from regent_operator.plan.inputs import Installation
from tests.unit.plan.samples import INSTALLATION, agent

Object = dict[str, Any]
CONFIG, DEPLOYMENT = ChildKey("ConfigMap", "n", "a"), ChildKey("Deployment", "n", "a")
BODY: Object = {"metadata": {"name": "a", "namespace": "n", "labels": {"x": "1"}}, "data": {CONFIG_KEY: "{}"}}
WANTED = wanted_hash(BODY)
MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = {"kind": "AIAgent", "uid": "agent", "controller": True}


def live(version: int, text: str = "{}", *others: Object, uid: str = "c", time: str = "t") -> Object:
    fields = {"f:metadata": {"f:labels": {"f:x": {}}}, "f:data": {f"f:{CONFIG_KEY}": {}}}
    entry = {"manager": "regent", "operation": "Apply", "time": time, "fieldsV1": fields}
    return {
        "metadata": {
            "namespace": "n",
            "name": "a",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"x": "1"},
            "ownerReferences": [OWNER],
            "managedFields": [entry, *others],
        },
        "data": {CONFIG_KEY: text},
    }


def metadata(version: int, *others: Object, time: str = "t") -> Object:
    return {"metadata": live(version, "", *others, time=time)["metadata"]}


@pytest.fixture
def touched() -> list[Key]:
    return []


@pytest.fixture
def children(touched: list[Key]) -> Children:
    return Children(touched.append)


def test_what_was_listed_whole_needs_no_write(children: Children) -> None:
    children.seen(CONFIG_MAPS, live(5), full=True)
    child = children.get(CONFIG)
    assert child
    assert child.owner == "agent"
    assert child.holds(WANTED)


def test_our_own_write_coming_back_changes_nothing(children: Children, touched: list[Key]) -> None:
    children.wrote(CONFIG_MAPS, live(6), WANTED, stripped=False)
    children.seen(CONFIG_MAPS, metadata(6), full=False)
    child = children.get(CONFIG)
    assert child
    assert child.holds(WANTED)
    assert touched == []


def test_a_version_that_is_not_ours_is_unknown_and_touches_the_agent(children: Children, touched: list[Key]) -> None:
    children.wrote(CONFIG_MAPS, live(6), WANTED, stripped=False)
    children.seen(CONFIG_MAPS, metadata(7), full=False)
    child = children.get(CONFIG)
    assert child
    assert not child.known
    assert not child.holds(WANTED)
    assert touched == [Key("AIAgent", "n", "a")]


def test_an_edit_that_overtakes_the_answer_to_our_write_is_not_forgotten(children: Children) -> None:
    children.seen(CONFIG_MAPS, metadata(8), full=False)
    children.wrote(CONFIG_MAPS, live(7), WANTED, stripped=False)
    child = children.get(CONFIG)
    assert child
    assert not child.holds(WANTED)


def test_the_status_of_a_disruption_budget_is_no_drift(children: Children, touched: list[Key]) -> None:
    children.wrote(DISRUPTION_BUDGETS, live(6), WANTED, stripped=False)
    children.seen(DISRUPTION_BUDGETS, metadata(7), full=False)
    key = ChildKey("PodDisruptionBudget", "n", "a")
    child = children.get(key)
    assert child
    assert child.holds(WANTED)
    assert touched == []
    children.seen(DISRUPTION_BUDGETS, metadata(8, time="later"), full=False)
    child = children.get(key)
    assert child
    assert not child.holds(WANTED)


def test_a_deployment_s_status_keeps_what_is_known_and_touches(children: Children, touched: list[Key]) -> None:
    children.wrote(DEPLOYMENTS, live(6), WANTED, stripped=False)
    moved = live(7) | {"status": {"availableReplicas": 1}}
    children.seen(DEPLOYMENTS, moved, full=True)
    child = children.get(ChildKey("Deployment", "n", "a"))
    seen = children.deployment("n", "a")
    assert child
    assert child.holds(WANTED)
    assert seen
    assert seen.available == 1
    assert touched == [Key("AIAgent", "n", "a")]


def test_an_intrusion_needs_a_write_unless_admission_put_it_there(children: Children) -> None:
    spy = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:spy": {}}}}
    children.seen(CONFIG_MAPS, live(5, "{}", spy), full=True)
    child = children.get(CONFIG)
    assert child
    assert child.owned == WANTED
    assert not child.holds(WANTED)
    children.wrote(CONFIG_MAPS, live(6, "{}", spy), WANTED, stripped=True)
    child = children.get(CONFIG)
    assert child
    assert child.holds(WANTED)


def test_a_late_deletion_does_not_take_the_successor(children: Children) -> None:
    children.seen(CONFIG_MAPS, live(9, uid="new"), full=True)
    children.gone(CONFIG_MAPS, "n", "a", "old")
    assert children.get(CONFIG)
    children.gone(CONFIG_MAPS, "n", "a", "new")
    assert children.get(CONFIG) is None


def test_the_config_that_we_wrote_is_kept_whatever_is_found_later(children: Children) -> None:
    children.wrote(CONFIG_MAPS, live(6, "ours"), WANTED, stripped=False)
    children.read(CONFIG_MAPS, live(7, "a hand's"))
    assert children.written_config("n", "a") == "ours"


def test_a_config_that_was_only_found_is_not_taken_for_ours(children: Children) -> None:
    children.seen(CONFIG_MAPS, live(5, "found"), full=True)
    assert children.written_config("n", "a") is None


def test_what_we_wrote_is_not_known_while_a_write_is_unanswered_nor_when_another_led(children: Children) -> None:
    children.wrote(CONFIG_MAPS, live(6, "ours"), WANTED, stripped=False)
    children.writing(CONFIG)
    assert children.written_config("n", "a") is None
    children.wrote(CONFIG_MAPS, live(7, "newer"), WANTED, stripped=False)
    assert children.written_config("n", "a") == "newer"
    children.forget_written()
    assert children.written_config("n", "a") is None


async def test_what_went_before_the_answer_came_is_no_object_and_its_agent_is_looked_at(
    children: Children, touched: list[Key]
) -> None:
    async def overtaken() -> Object:
        children.gone(CONFIG_MAPS, "n", "a", "c")
        return live(5)

    async def in_time() -> Object:
        return live(7)

    assert await children.answer(CONFIG, overtaken()) is None
    assert touched == [Key("AIAgent", "n", "a")]
    assert await children.answer(CONFIG, in_time()) == live(7), "a watch by a label calls what lost the label deleted"


@pytest.mark.parametrize("successor", [False, True])
async def test_what_is_asked_for_and_not_found_is_gone(children: Children, *, successor: bool) -> None:
    """Under the uid that was known: what was told of meanwhile may have come after the look."""
    children.read(CONFIG_MAPS, live(5))

    async def not_found() -> None:
        if successor:
            children.seen(CONFIG_MAPS, live(7, uid="successor"), full=True)

    assert await children.answer(CONFIG, not_found()) is None
    assert (children.get(CONFIG) is not None) is successor


def test_what_an_object_without_our_label_holds_is_not_known_for_longer_than_it_is_looked_at(
    children: Children,
) -> None:
    labelled = live(5)
    labelled["metadata"]["labels"][MANAGED_BY] = "regent"
    assert children.read(CONFIG_MAPS, labelled).known
    assert not children.read(CONFIG_MAPS, live(6)).known


def test_what_no_watch_has_told_of_is_not_known_any_more_when_one_lost_its_place(
    children: Children, touched: list[Key]
) -> None:
    """It may have come and gone in the gap, and a list tells of what is there alone."""
    children.wrote(CONFIG_MAPS, live(5), WANTED, stripped=False)
    children.listed_anew(DEPLOYMENTS)
    assert children.get(CONFIG)
    children.listed_anew(CONFIG_MAPS)
    assert children.get(CONFIG) is None
    assert touched == [Key("AIAgent", "n", "a")]


def test_what_a_watch_has_told_of_stays_known_when_it_lost_its_place(children: Children) -> None:
    children.wrote(CONFIG_MAPS, live(5), WANTED, stripped=False)
    children.seen(CONFIG_MAPS, metadata(5), full=False)
    children.wrote(CONFIG_MAPS, live(6), WANTED, stripped=False)
    children.listed_anew(CONFIG_MAPS)
    assert children.get(CONFIG)


@pytest.mark.parametrize(
    ("listed", "counts"),
    [(None, False), ("c", True), ("successor", False)],
    ids=["it may have gone in the gap", "the list tells of it", "another is in its place"],
)
async def test_an_answer_that_a_list_after_a_gap_overtook_counts_where_the_list_tells_of_the_object(
    children: Children, touched: list[Key], listed: str | None, *, counts: bool
) -> None:
    async def overtaken() -> Object:
        if listed:
            children.seen(CONFIG_MAPS, live(8 if listed != "c" else 5, uid=listed), full=True)
        children.listed_anew(CONFIG_MAPS)
        return live(5)

    assert await children.answer(CONFIG, overtaken()) == (live(5) if counts else None)
    assert Key("AIAgent", "n", "a") in touched


@pytest.mark.parametrize("moved", [False, True], ids=["our write", "its status, too"])
async def test_a_deployment_of_which_a_watch_tells_before_our_write_is_answered_is_hashed_once(
    children: Children, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """By what was written: to hash what stands there takes longer than all else that is made of the event."""
    hashed: list[Object] = []
    monkeypatch.setattr(children_module, "owned_hash", hashed.append)

    async def overtaken() -> Object:
        children.seen(DEPLOYMENTS, live(5), full=True)
        if moved:
            children.seen(DEPLOYMENTS, live(6) | {"status": {"replicas": 1}}, full=True)
        return live(5)

    answer = await children.answer(DEPLOYMENT, overtaken())
    assert answer is not None
    assert children.wrote(DEPLOYMENTS, answer, WANTED, stripped=False).holds(WANTED)
    child = children.get(DEPLOYMENT)
    assert child is not None
    assert child.holds(WANTED)
    assert hashed == []


async def test_an_edit_that_overtakes_the_answer_about_a_deployment_is_not_forgotten(children: Children) -> None:
    async def overtaken() -> Object:
        edited = live(6)
        edited["metadata"]["generation"] = 2
        children.seen(DEPLOYMENTS, edited, full=True)
        return live(5)

    answer = await children.answer(DEPLOYMENT, overtaken())
    assert answer is not None
    assert not children.wrote(DEPLOYMENTS, answer, WANTED, stripped=False).known


def test_all_agents_of_an_installation_run_the_same_program_and_those_of_another_a_different_one() -> None:
    """Waves count on it: who runs another than the agent that is looked at does not run the installation's."""
    two_keys, collected = ("ed25519:a", "ed25519:b"), "http://collector:8080"
    others = ({"runtime_image": "other"}, {"config_keys": two_keys}, {"collector_url": collected})
    installations = [INSTALLATION, *(replace(INSTALLATION, **each) for each in others)]
    programs = [programs_of(installation) for installation in installations]
    assert [len(each) for each in programs] == [1, 1, 1, 1]
    assert len(set[Any]().union(*programs)) == len(installations)


def programs_of(installation: Installation) -> set[Any]:
    plain, drained = agent("a"), agent("b", drain={"timeout": "15m"}, workload={"nodeSelector": {"pool": "a"}})
    drained = replace(drained, metadata=replace(drained.metadata, uid="another"))
    pairs = frozenset({("keys", "a")})
    return {program_of(build(plain, installation, frozenset(), 1)), program_of(build(drained, installation, pairs, 2))}


@pytest.mark.parametrize("stripped", [False, True])
async def test_what_admission_has_put_in_is_tolerated_also_where_a_status_overtakes_our_write(
    children: Children, stripped: bool
) -> None:
    webhook = {"manager": "webhook", "operation": "Update", "fieldsV1": {"f:data": {"f:more": {}}}}
    children.wrote(DEPLOYMENTS, live(4, "{}", webhook), WANTED, stripped=True)

    def edited(version: int) -> Object:
        obj = live(version, "{}", webhook)
        obj["metadata"]["generation"] = 2
        return obj

    async def overtaken() -> Object:
        children.seen(DEPLOYMENTS, edited(5), full=True)
        children.seen(DEPLOYMENTS, edited(6) | {"status": {"replicas": 1}}, full=True)
        return edited(5)

    answer = await children.answer(DEPLOYMENT, overtaken())
    assert answer is not None
    assert not children.wrote(DEPLOYMENTS, answer, WANTED, stripped=stripped).intruded
