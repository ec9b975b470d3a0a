"""What the operator may ask of the API server, phase by phase: exact numbers, and where one is a range, why.

Not judged is what comes by the clock: the Lease, lists and watches, and what the cluster says of itself.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from regent_operator.engine.resources import CHILDREN, DISRUPTION_BUDGETS
from regent_operator.engine.touches import AFTER_SECONDS
from tests.cluster import Request

WORKERS = 16
"""Of the operator."""


@dataclass(frozen=True)
class Count:
    """From `least` to `most`, None: any number. `why` it is no exact number."""

    least: int
    most: int | None
    why: str = ""

    def holds(self, number: int) -> bool:
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Phase:
    """By what is asked, such as "patch aiagents/status": of each agent, and of all else together. What is missing is 0."""

    of_each_agent: Mapping[str, Count] = field(default_factory=dict)
    besides: Mapping[str, Count] = field(default_factory=dict)


ONCE = Count(1, 1)
NEVER = Count(0, 0)
EVENT = Count(0, 1, "Events are few: what more than 512 that wait would add is dropped")
COMES_UP = Count(
    1,
    4,
    "told at first, while no pod serves, and when both pods and Deployment say so; between, every five seconds at most",
)
TOLD = Count(
    1, 2, "an agent is told before its pods answer as well, unless others that were edited wait for their config"
)
AGAIN = Count(0, 1, "an Event comes with Ready, which only some agents lose for a moment: those that are told twice")
TOUCHED = Count(
    0, len(AFTER_SECONDS), "a pod that has not taken its config after 1.5 s is touched, and a few times again"
)
SWEPT = Count(0, 2, "a sweep reads what is newer than what the watch has brought by then, every few minutes")
COUNTS = Count(0, None, "what agents mean to a policy or route is told as often as it changes, every 0.3 s at most")
PROVIDER = Count(
    1, WORKERS, "the provider's Service is read once, by each worker that needs it before the first answer"
)
ANY_SWEPT = Count(0, None, SWEPT.why)

MADE = [child.plural for child in CHILDREN if child != DISRUPTION_BUDGETS]
"""Agents of one pod have no PodDisruptionBudget."""
USERS = ("patch agentpolicies/status", "patch modelroutes/status")
SWEEP = {"get agentpolicies": ANY_SWEPT, "get modelroutes": ANY_SWEPT}

CREATION = Phase(
    {
        **{f"patch {child}": ONCE for child in MADE},
        "patch aiagents/status": COMES_UP,
        "create events": EVENT,
        "get aiagents": SWEPT,
    },
    {**dict.fromkeys(USERS, replace(COUNTS, least=1)), **SWEEP, "get services": PROVIDER},
)
EDIT = Phase(
    {
        "patch configmaps": ONCE,
        "patch aiagents/status": TOLD,
        "create events": AGAIN,
        "patch pods": TOUCHED,
        "get aiagents": SWEPT,
    },
    {**dict.fromkeys(USERS, COUNTS), **SWEEP},
)
"""Of a policy, for each agent that it applies to."""
EDIT_OF_AGENTS = replace(EDIT, besides=SWEEP)
"""Of agents alone: their pods hold the same policies and routes meanwhile, so nothing is told of these."""
RESTART = Phase(besides={"get services": PROVIDER})
RESYNC = Phase()

Where = tuple[str, str]


def unexpected(phase: Phase, asked: Iterable[Request], agents: Collection[Where]) -> dict[str, str]:
    """What differs from the numbers of the phase, in words, by what was asked. `agents`: those that the phase is about."""
    wanted = set(agents)
    of_agents: dict[str, Counter[Where]] = defaultdict(Counter)
    besides: Counter[str] = Counter()
    for request in asked:
        if not is_judged(request):
            continue
        where, what = (request.namespace, agent_of(request)), name_of(request)
        if where in wanted:
            of_agents[what][where] += 1
        else:
            besides[what] += 1
    return {
        **_of_each_agent(phase.of_each_agent, of_agents, wanted),
        **_besides(phase.besides, besides),
    }


def is_judged(request: Request) -> bool:
    return bool(request.resource) and request.resource != "leases" and request.verb not in {"list", "watch"}


def name_of(request: Request) -> str:
    return f"{request.verb} {request.resource}{'/' + request.subresource if request.subresource else ''}"


def agent_of(request: Request) -> str:
    """The agent's name, where the request is about one, its child, its pod or its Event."""
    if request.resource == "events":
        return request.name.rpartition(".")[0]
    return request.name.rsplit("-", 2)[0] if request.resource == "pods" else request.name


def _of_each_agent(
    expected: Mapping[str, Count], seen: Mapping[str, Counter[Where]], agents: Collection[Where]
) -> dict[str, str]:
    found = {}
    for what in sorted({*expected, *seen}):
        count = expected.get(what, NEVER)
        numbers = Counter(seen[what][agent] if what in seen else 0 for agent in agents)
        wrong = {number: many for number, many in sorted(numbers.items()) if not count.holds(number)}
        if wrong:
            said = ", ".join(f"{number} at {many}" for number, many in wrong.items())
            found[f"{what} of an agent"] = f"expected {count}, but {said} of {len(agents)} agents"
    return found


def _besides(expected: Mapping[str, Count], seen: Counter[str]) -> dict[str, str]:
    counts = {what: (expected.get(what, NEVER), seen[what]) for what in sorted({*expected, *seen})}
    return {
        what: f"expected {count}, but {number}" for what, (count, number) in counts.items() if not count.holds(number)
    }
