"""When a plan is made anew, and when what is known of it is forgotten."""

from dataclasses import replace

from regent_operator.engine.plans import Plans
from regent_operator.engine.resources import Key
from regent_operator.plan.agent import plan_agent
from tests.unit.plan.samples import INSTALLATION, agent, inputs

AGENT = Key("AIAgent", "n", "a")


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


def test_a_plan_is_kept_for_each_of_thousands_of_agents() -> None:
    """An edit of the floor is planned once an agent: of the first, the second look comes when all configs are written."""
    plans, looked_at = Plans(), inputs()
    agents = [Key("AIAgent", "n", f"a{number}") for number in range(1_500)]
    made = [plans.plan(agent, looked_at, INSTALLATION) for agent in agents]
    assert all(plans.plan(agent, looked_at, INSTALLATION) is plan for agent, plan in zip(agents, made, strict=True))


def test_what_plans_of_agents_under_the_same_policies_share_is_there_once() -> None:
    """Thousands of plans are kept."""
    looked_at = [inputs(agent=agent(name)) for name in ("a", "b")]
    shared = replace(looked_at[1], policies=looked_at[0].policies, route=looked_at[0].route)
    one, other = plan_agent(looked_at[0], INSTALLATION), plan_agent(shared, INSTALLATION)
    assert one.config is not None
    assert other.config is not None
    assert {name for name, value in one.config if value is not getattr(other.config, name)} == {
        "agent",
        "shadows",
        "cluster_cidrs",
    }
    assert one.digests is not None
    assert other.digests is not None
    assert one.digests.policy is other.digests.policy
    assert one.credentials is other.credentials
