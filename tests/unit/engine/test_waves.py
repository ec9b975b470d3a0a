from dataclasses import replace
from typing import Any

import pytest

from regent_operator.engine.children import Child, Program, program_of
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import Key
from regent_operator.engine.waves import FEWEST, PLACE_SECONDS, Waves, is_edited
from regent_operator.plan.observation import DeploymentSeen
from tests.unit.engine.clock import Clock


def deployment(image: str, *command: str) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "agent", "image": image, "command": [*command]}]}}
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 2, "template": template}}


WANTED = deployment("new", "serve", "key-2")
NEW, OLD, OLD_KEY = map(program_of, (WANTED, deployment("old", "serve", "key-2"), deployment("new", "serve", "key-1")))
OURS = Child("u", 1, 1, "agent", False, b"e", b"", owned=b"old")
DONE = DeploymentSeen(replicas=2, available=2, updated=2, total=2, observed=True)
ROLLING = DeploymentSeen(replicas=2, available=2, updated=1, total=3, observed=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key(number: int) -> Key:
    return Key("AIAgent", "n", f"a{number}")


def admitted(waves: Waves, agents: int = 30, program: Program | None = OLD) -> list[int]:
    return [n for n in range(agents) if waves.may_roll(key(n), WANTED, OURS, program)]


def test_a_tenth_goes_first_and_keeps_its_places_until_it_is_done() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(0), ROLLING, new=True)
    assert admitted(waves) == [0, 1, 2]


def test_a_place_that_is_free_goes_to_the_next() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(1), DONE, new=True)
    assert waves.may_roll(key(7), WANTED, OURS, OLD)
    assert not waves.may_roll(key(8), WANTED, OURS, OLD)


STUCK = DeploymentSeen(replicas=2, available=2, updated=1, total=3, deadline_exceeded=True)


def test_a_version_that_does_not_start_stops_at_the_first_wave(clock: Clock) -> None:
    waves = Waves(lambda: 30, clock)
    admitted(waves)
    for n in range(3):
        waves.observe(key(n), STUCK, new=True)
    clock.advance(PLACE_SECONDS * 9)
    assert admitted(waves) == [0, 1, 2]


def test_an_agent_with_a_trouble_of_its_own_holds_up_nobody_for_ever(clock: Clock) -> None:
    waves = Waves(lambda: 30, clock)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(0), STUCK, new=True)
    for n in (1, 2):
        waves.observe(key(n), DONE, new=True)
    assert admitted(waves) == [0, 1, 2]
    clock.advance(PLACE_SECONDS + 1)
    for n in (1, 2):
        waves.observe(key(n), DONE, new=True)
    finished = [n for n in range(3, 30) if waves.may_roll(key(n), WANTED, OURS, OLD)]
    assert len(finished) == 3, "the stuck one's place is the next one's"


def test_a_rollout_of_the_old_version_takes_no_place() -> None:
    waves = Waves(lambda: 30)
    for n in range(20, 30):
        waves.observe(key(n), ROLLING, new=False)
    assert admitted(waves) == [0, 1, 2]


def test_what_was_complete_before_the_new_version_arrived_frees_no_place() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(0), DONE, new=False)
    assert not waves.may_roll(key(7), WANTED, OURS, OLD)


def test_what_a_status_says_of_an_earlier_generation_frees_no_place() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(0), replace(DONE, observed=False), new=True)
    assert not waves.may_roll(key(7), WANTED, OURS, OLD)


def test_an_agent_whose_deployment_is_gone_gives_its_place_back() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.observe(key(0), None, new=False)
    assert waves.may_roll(key(7), WANTED, OURS, OLD)


def test_pods_that_are_new_and_not_available_take_no_place() -> None:
    waves = Waves(lambda: 30)
    for n in range(20, 30):
        waves.observe(key(n), replace(DONE, available=1), new=True)
    assert admitted(waves) == [0, 1, 2]


def test_who_leads_again_takes_nothing_for_begun() -> None:
    waves = Waves(lambda: 30)
    assert admitted(waves) == [0, 1, 2]
    waves.forget_all()
    assert waves.may_roll(key(7), WANTED, OURS, OLD)


def test_new_keys_go_in_waves_as_a_new_image_does() -> None:
    assert admitted(Waves(lambda: 30), program=OLD_KEY) == [0, 1, 2]


def test_few_agents_go_two_at_a_time() -> None:
    assert len(admitted(Waves(lambda: 4), 4)) == FEWEST


@pytest.mark.parametrize(
    ("child", "program"),
    [
        (None, None),
        (OURS, NEW),
        (Child("u", 1, 1, "agent", False, b"e", b"a hand", owned=b"old"), OLD),
        (replace(OURS, owned=wanted_hash(WANTED)), OLD),
    ],
    ids=["a new agent", "nothing new to run", "a hand has put something in", "it is as it should be"],
)
def test_who_need_not_wait(child: Child | None, program: Program | None) -> None:
    waves = Waves(lambda: 0)
    assert all(waves.may_roll(key(n), WANTED, child, program) for n in range(9))


def test_who_is_found_in_the_middle_takes_a_place_and_who_is_gone_gives_it_back() -> None:
    waves = Waves(lambda: 0)
    waves.observe(key(1), ROLLING, new=True)
    waves.observe(key(2), ROLLING, new=True)
    assert not waves.may_roll(key(3), WANTED, OURS, OLD)
    waves.forget(key(1))
    assert waves.may_roll(key(3), WANTED, OURS, OLD)


def test_an_edit_of_replicas_or_credentials_is_one() -> None:
    assert not is_edited(WANTED, frozenset(), DONE)
    assert is_edited(WANTED, frozenset({("s", "k")}), DONE)
    assert is_edited(WANTED, frozenset(), DeploymentSeen(replicas=5))
    assert not is_edited(WANTED, frozenset(), None)


def test_a_number_that_is_left_to_an_autoscaler_is_nobodys_edit() -> None:
    left = {**WANTED, "spec": {name: value for name, value in WANTED["spec"].items() if name != "replicas"}}
    assert not is_edited(left, DONE.credentials, DONE)
    assert is_edited(left, frozenset({("secret", "key")}), DONE)
