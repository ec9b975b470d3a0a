"""When a plan is made anew, and when what is known of it is forgotten."""

from dataclasses import replace

from regent_operator.engine.plans import Plans
from regent_operator.engine.resources import Key
from tests.unit.plan.samples import INSTALLATION, inputs

AGENT = Key("AIAgent", "n", "a")
OTHER = Key("AIAgent", "n", "b")


def test_equal_inputs_give_the_very_same_plan() -> None:
    plans, looked_at = Plans(), inputs()
    made = plans.plan(AGENT, looked_at, INSTALLATION)
    assert plans.plan(AGENT, replace(looked_at), INSTALLATION) is made
    assert plans.of(AGENT, made) is not None


def test_whatever_a_plan_looks_at_makes_it_anew() -> None:
    plans, looked_at = Plans(), inputs()
    made = plans.plan(AGENT, looked_at, INSTALLATION)
    other = plans.plan(AGENT, replace(looked_at, instructions="You answer in verse."), INSTALLATION)
    assert other.config is not None
    assert other.config.instructions == "You answer in verse."
    assert plans.of(AGENT, made) is None, "what was known of the old plan says nothing of the new one"
    installed_anew = replace(INSTALLATION, cluster_cidrs=("10.99.0.0/16",))
    assert plans.plan(AGENT, looked_at, installed_anew).config != made.config


def test_no_more_are_kept_than_the_bound() -> None:
    plans, looked_at = Plans(most=1), inputs()
    made = plans.plan(AGENT, looked_at, INSTALLATION)
    plans.plan(OTHER, looked_at, INSTALLATION)
    assert plans.of(AGENT, made) is None
    assert plans.plan(AGENT, looked_at, INSTALLATION) == made
