from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regent_operator.engine.children import Children
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import DEPLOYMENTS, Key
from regent_operator.engine.waves import FEWEST, Waves

Object = dict[str, Any]
AGENTS = 24
PLACES = 2


def key(number: int) -> Key:
    return Key("AIAgent", "n", f"a{number}")


def deployment(number: int, program: str) -> Object:
    command = ["serve", "--agent-uid", f"u{number}", "--image", program]
    template = {"spec": {"containers": [{"name": "agent", "image": program, "command": command}]}}
    return {"metadata": {"namespace": "n", "name": f"a{number}"}, "spec": {"replicas": 2, "template": template}}


OURS = {"manager": "regent", "operation": "Apply", "fieldsV1": {"f:spec": {}}}


class Fleet:
    """Agents whose Deployments a controller rolls when it is told to, looked at as the reconciler does."""

    def __init__(self, agents: int) -> None:
        self.due: dict[Key, None] = {}
        """Who is to be looked at."""
        self.children = Children(self._touch)
        self.keys = [key(number) for number in range(agents)]
        self.called: list[Key] = []
        self.waves = Waves(self.children, lambda: self.keys, self._call)
        self._version = 0
        self._generation: dict[int, int] = {}
        self._program: dict[int, str] = {}
        for number in range(agents):
            self.roll(number, "old")
            self.finish(number)

    def _touch(self, key: Key) -> None:
        self.due[key] = None

    def _call(self, key: Key) -> None:
        self.called.append(key)
        self._touch(key)

    def roll(self, number: int, program: str) -> None:
        """Somebody has written the Deployment; its controller has not seen it."""
        self._program[number] = program
        self._generation[number] = self._generation.get(number, 0) + 1
        self._tell(number, updated=2, observed=self._generation[number] - 1)

    def begin(self, number: int) -> None:
        """The controller has made a first new pod."""
        self._tell(number, updated=1, total=3)

    def finish(self, number: int, available: int = 2) -> None:
        self._tell(number, updated=2, available=available)

    def _tell(
        self, number: int, *, updated: int, observed: int | None = None, total: int = 2, available: int = 2
    ) -> None:
        generation = self._generation[number]
        obj = deployment(number, self._program[number])
        obj["metadata"] |= self.about(number, generation)
        obj["status"] = {
            "replicas": total,
            "availableReplicas": available,
            "updatedReplicas": updated,
            "observedGeneration": generation if observed is None else observed,
        }
        self.children.seen(DEPLOYMENTS, obj, full=True)

    def about(self, number: int, generation: int) -> Object:
        """Metadata of the next version."""
        self._version += 1
        about = {"uid": f"d{number}", "resourceVersion": str(self._version), "generation": generation}
        return about | {"managedFields": [OURS]}

    def look(self, number: int, program: str = "new", *, fails: bool = False) -> bool:
        """Whether it was given the program just now. `fails`: the answer to that write is lost."""
        self.due.pop(key(number), None)
        may = self.waves.may_roll(key(number), deployment(number, program))
        given = may and self._program[number] != program
        if given:
            self.roll(number, program)
        if not (given and fails):
            self.waves.observe(key(number))
        self.waves.pass_on(key(number))
        return given

    def given(self, program: str = "new") -> list[int]:
        """Looks at all; who was given the program."""
        return [number for number in range(len(self.keys)) if self.look(number, program)]

    def lead_anew(self) -> None:
        self.waves.forget_all()
        self.due = dict.fromkeys(self.keys)


def test_a_tenth_goes_first_and_keeps_its_places_until_it_is_done() -> None:
    fleet = Fleet(30)
    assert fleet.given() == [0, 1, 2]
    fleet.begin(0)
    assert fleet.given() == []


def test_a_place_that_is_free_is_the_next_ones_who_is_called() -> None:
    fleet = Fleet(30)
    fleet.given()
    fleet.finish(1)
    assert fleet.called == []
    fleet.look(1)
    assert fleet.called == [key(3)]
    assert not fleet.look(8), "the place is for who was called"
    assert fleet.look(3)
    assert not fleet.look(8)


def test_a_place_that_who_was_called_does_not_take_is_the_next_ones() -> None:
    fleet = Fleet(30)
    fleet.given()
    fleet.finish(1)
    fleet.look(1)
    fleet.waves.pass_on(key(3))
    fleet.waves.forget(key(4))
    assert fleet.called == [key(3), key(4), key(5)]


def test_a_version_that_does_not_start_stops_at_the_first_wave() -> None:
    fleet = Fleet(30)
    for number in fleet.given():
        fleet.begin(number)
    assert fleet.given() == []
    assert fleet.called == []


def test_an_agent_with_a_trouble_of_its_own_holds_up_nobody() -> None:
    fleet = Fleet(30)
    fleet.given()
    fleet.begin(0)
    for number in range(1, 30):
        fleet.look(number)
        fleet.finish(number)
        fleet.look(number)
    assert [number for number in range(30) if fleet._program[number] == "old"] == []


def test_a_rollout_of_the_old_version_takes_no_place() -> None:
    fleet = Fleet(30)
    for number in range(20, 30):
        fleet.roll(number, "old")
        fleet.begin(number)
    assert fleet.given() == [0, 1, 2]


def test_pods_that_are_new_and_not_available_take_no_place() -> None:
    fleet = Fleet(30)
    for number in range(20, 30):
        fleet.roll(number, "new")
        fleet.finish(number, available=1)
    assert fleet.given() == [0, 1, 2]


def test_who_was_given_a_place_keeps_it_until_its_pods_are_available() -> None:
    fleet = Fleet(30)
    for number in fleet.given():
        fleet.finish(number, available=1)
        fleet.look(number)
    assert fleet.called == []


def test_who_leads_next_counts_those_that_the_last_leader_began_with() -> None:
    fleet = Fleet(30)
    fleet.given()
    fleet.begin(1)
    fleet.finish(2)
    fleet.lead_anew()
    assert [number for number in reversed(range(30)) if fleet.look(number)] == [29]


def test_the_place_of_a_write_whose_answer_was_lost_is_taken() -> None:
    fleet = Fleet(30)
    assert fleet.look(0, fails=True)
    assert fleet.given() == [1, 2]


def test_a_look_that_was_planned_before_the_change_takes_no_place_from_those_that_are_on_their_way() -> None:
    fleet = Fleet(24)
    assert [n for n in range(3) if fleet.waves.may_roll(key(n), deployment(n, "new"))] == [0, 1]
    assert fleet.waves.may_roll(key(3), deployment(3, "old"))
    assert not fleet.waves.may_roll(key(4), deployment(4, "new"))


def test_a_write_that_is_tried_again_has_its_place() -> None:
    fleet = Fleet(30)
    assert [number for number in range(4) if fleet.waves.may_roll(key(number), deployment(number, "new"))] == [0, 1, 2]
    assert fleet.waves.may_roll(key(1), deployment(1, "new"))


def test_a_place_of_which_nothing_came_is_free() -> None:
    """Its Deployment was refused, say."""
    fleet = Fleet(30)
    assert fleet.waves.may_roll(key(9), deployment(9, "new"))
    fleet.waves.observe(key(9))
    fleet.waves.pass_on(key(9))
    assert fleet.given() == [0, 1, 2]


def test_what_an_admission_webhook_makes_of_the_program_keeps_its_place() -> None:
    fleet = Fleet(30)
    for number in range(3):
        wanted = deployment(number, "new")
        assert fleet.waves.may_roll(key(number), wanted)
        fleet.roll(number, "wrapped new")
        live = deployment(number, "wrapped new")
        live["metadata"] |= fleet.about(number, 2)
        fleet.children.wrote(DEPLOYMENTS, live, wanted_hash(wanted), stripped=False)
        fleet.waves.observe(key(number))
    assert not fleet.look(9)
    assert fleet.waves.may_roll(key(0), deployment(0, "new")), "it is as it should be"


def test_new_keys_and_a_new_collector_go_in_waves_as_a_new_image_does() -> None:
    assert Fleet(30).given("old --config-key k2") == [0, 1, 2]


def test_few_agents_go_two_at_a_time() -> None:
    assert len(Fleet(4).given()) == FEWEST


def test_who_need_not_wait() -> None:
    fleet = Fleet(30)
    fleet.given()
    fleet.children.gone(DEPLOYMENTS, "n", "a7", "d7")
    assert fleet.waves.may_roll(key(7), deployment(7, "new")), "a new agent"
    assert fleet.waves.may_roll(key(8), deployment(8, "old")), "the program stays"
    assert not fleet.waves.may_roll(key(8), deployment(8, "new"))
    _stand(fleet, 8, replicas=0)
    assert fleet.waves.may_roll(key(8), deployment(8, "new")), "it has no pods: it is suspended"
    hand = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    _stand(fleet, 9, managedFields=[hand])
    assert fleet.waves.may_roll(key(9), deployment(9, "new")), "a hand has put something in"
    assert not fleet.waves.holds_back(key(9))


def _stand(fleet: Fleet, number: int, replicas: int = 2, **metadata: Any) -> None:
    obj = deployment(number, "old")
    obj["metadata"] |= fleet.about(number, 1) | metadata
    obj["spec"]["replicas"] = replicas
    obj["status"] = {"replicas": replicas, "observedGeneration": 1}
    fleet.children.seen(DEPLOYMENTS, obj, full=True)


@pytest.mark.parametrize("gone", ["the agent", "its Deployment"])
def test_who_is_gone_gives_its_place_back(gone: str) -> None:
    fleet = Fleet(30)
    fleet.given()
    if gone == "the agent":
        fleet.waves.forget(key(1))
    else:
        fleet.children.gone(DEPLOYMENTS, "n", "a1", "d1")
        fleet.waves.observe(key(1))
        fleet.waves.pass_on(key(1))
    assert fleet.called == [key(3)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["look", "look", "look", "fail", "begin", "finish", "finish", "edit", "lead"]),
        st.integers(0, AGENTS - 1),
    ),
    max_size=200,
)


@given(STEPS)
@example([("look", number) for number in range(AGENTS)] + [("lead", 0)] + [("look", n) for n in range(AGENTS)][::-1])
def test_never_are_more_in_rollout_than_there_are_places_and_all_come_to_an_end(
    steps: Sequence[tuple[str, int]],
) -> None:
    """Whatever the order of looks, changes of the leader, lost answers, finishes and edits; and no clock takes part."""
    fleet = Fleet(AGENTS)
    own = set[int]()
    rolling = set[int]()
    for step, number in steps:
        match step:
            case "lead":
                fleet.lead_anew()
            case "begin" if number in rolling:
                fleet.begin(number)
            case "finish" if number in rolling:
                rolling.discard(number)
                own.discard(number)
                fleet.finish(number)
            case "edit":
                """Of an agent's own part of the template: who has the new program rolls anew, others with the old."""
                if number not in rolling:
                    own.add(number)
                rolling.add(number)
                fleet.roll(number, fleet._program[number])
            case "look" | "fail":
                if fleet.look(number, fails=step == "fail"):
                    rolling.add(number)
                    own.discard(number)
                    if step == "fail":
                        fleet.due[key(number)] = None
        new = {each for each in rolling - own if fleet._program[each] == "new"}
        assert len(new) <= PLACES
    while fleet.due or rolling:
        for each in rolling:
            fleet.finish(each)
        rolling = {number for number in range(AGENTS) if key(number) in fleet.due and fleet.look(number)}
    assert set(fleet._program.values()) == {"new"}
