from typing import Any

import pytest

from regent_api.agent import AIAgentStatus
from regent_api.objects import Invalid, Metadata
from regent_api.policy import AgentPolicyStatus
from regent_operator.engine.errors import ApiError
from regent_operator.engine.packed import PackedStatus
from regent_operator.engine.resources import POLICIES, Key
from regent_operator.engine.scope import Scope
from regent_operator.engine.statuses import FIGURES_SECONDS, MINUTE_SECONDS, StatusWriter, read_status
from regent_operator.engine.store import Store, Stored
from tests.unit.engine.clock import Clock
from tests.unit.engine.fake_client import FakeClient

KEY = Key("AgentPolicy", "n", "p")
WHEN = "2026-01-01T00:00:00Z"
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Enforced",
    "message": "In force in 1 pod.",
    "lastTransitionTime": WHEN,
}


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.clock = Clock()
        self.store = Store(Scope("own"), lambda *_: None)
        self.writer = StatusWriter(self.client, self.store, self.clock)  # type: ignore[arg-type]
        self.sent: list[dict[str, Any]] = []
        self.live: dict[str, Any] = {}
        self.version = 1
        self.client.merge = self._merge  # type: ignore[method-assign]
        self.put({})

    def put(self, status: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.live = status
        meta = {"namespace": "n", "name": "p", "uid": "u", "resourceVersion": str(self.version), "generation": 1}
        obj = {"metadata": meta, "spec": {"selector": {}}, "status": status}
        self.store.seen(POLICIES, obj)
        return obj

    async def _merge(self, *_: Any, subresource: str) -> dict[str, Any]:
        patch = _[-1]
        assert subresource == "status"
        assert patch["metadata"] == {"uid": "u"}
        self.sent.append(patch["status"])
        return self.put({name: value for name, value in (self.live | patch["status"]).items() if value is not None})

    async def write(self, *, patient: bool = True, **status: Any) -> float | None:
        stored = self.store.get(KEY)
        assert stored
        return await self.writer.write(KEY, stored, AgentPolicyStatus.model_validate(status), patient=patient)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_differs_is_written_once(scene: Scene) -> None:
    await scene.write(agents=1, conditions=[CONDITION])
    await scene.write(agents=1, conditions=[CONDITION])
    assert scene.sent == [{"agents": 1, "conditions": [CONDITION]}]


async def test_counts_wait_and_conditions_do_not(scene: Scene) -> None:
    await scene.write(agents=1, conditions=[CONDITION])
    more = CONDITION | {"message": "In force in 2 pods."}
    assert await scene.write(agents=2, conditions=[more]) == FIGURES_SECONDS
    assert len(scene.sent) == 1
    await scene.write(agents=2, conditions=[more | {"status": "False", "reason": "NotYetEnforced"}])
    assert len(scene.sent) == 2
    scene.clock.advance(FIGURES_SECONDS)
    assert await scene.write(agents=3, conditions=[more | {"status": "False", "reason": "NotYetEnforced"}]) is None
    assert scene.sent[-1] == {"agents": 3}


async def test_what_a_status_no_longer_says_is_taken_away(scene: Scene) -> None:
    await scene.write(agents=1, digest="d", conditions=[])
    await scene.write(patient=False, agents=1, conditions=[])
    assert scene.sent[-1] == {"digest": None}


@pytest.mark.parametrize("status", [404, 409])
async def test_an_object_that_is_gone_or_replaced_is_left_alone(scene: Scene, status: int) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise ApiError(status, "", "uid")

    scene.client.merge = refuse  # type: ignore[method-assign]
    stored = scene.store.get(KEY)
    assert stored
    scene.store.gone(POLICIES, "n", "p", "u")
    assert await scene.writer.write(KEY, stored, AgentPolicyStatus(agents=1)) is None


async def test_a_conflict_on_the_same_object_is_tried_again(scene: Scene) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise ApiError(409, "Conflict", "busy")

    scene.client.merge = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await scene.write(agents=1)


def test_a_status_that_another_hand_made_unreadable_counts_as_none(scene: Scene) -> None:
    scene.put({"agents": "many"})
    stored = scene.store.get(KEY)
    assert stored
    assert read_status(stored, AgentPolicyStatus) is None


def test_an_agents_status_reads_as_if_it_were_kept_whole() -> None:
    """What many agents share of it is read once for them; another's, or a hand's, is never taken for it."""
    fields = [{"field": "mode", "value": value, "from": ["n/house"]} for value in ('"Enforce"', '"Audit"')]
    wholes = [{"replicas": 2, "effective": [each]} for each in (*fields, *fields)]
    for whole in (*wholes, {"replicas": 2}, {"effective": []}):
        stored = Stored(Invalid(Metadata("n", "p"), ""), 1, PackedStatus.of(whole))
        assert read_status(stored, AIAgentStatus) == AIAgentStatus.model_validate(whole)
    for broken in ({"effective": [{"field": "mode"}]}, {"effective": "all"}):
        stored = Stored(Invalid(Metadata("n", "p"), ""), 1, PackedStatus.of(broken))
        assert read_status(stored, AIAgentStatus) is None


async def test_what_an_agent_spends_is_written_once_a_minute_and_with_anything_else() -> None:
    scene = Scene()
    key = Key("AIAgent", "n", "p")

    async def write(usd: str, **more: Any) -> float | None:
        spent = [{"period": "Day", "of": "2026-11-26", "usd": usd, "budgetUsd": "9", "percent": 1}]
        status = AIAgentStatus.model_validate({"spend": spent, "conditions": [CONDITION], **more})
        stored = Stored(Invalid(Metadata("n", "p", uid="u"), ""), 1, PackedStatus.of(scene.live))
        return await scene.writer.write(key, stored, status)

    assert await write("1") is None
    scene.clock.now += 20
    assert await write("2") == MINUTE_SECONDS - 20
    assert await write("2", replicas=2) is None
    scene.clock.now += MINUTE_SECONDS
    assert await write("3", replicas=2) is None
    assert await write("3", replicas=2, conversations=4) == MINUTE_SECONDS
    assert [sorted(each) for each in scene.sent] == [["conditions", "spend"], ["replicas", "spend"], ["spend"]]


class Agent:
    """One that is made: its status as it is told, and as it stands."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.conditions = {
            "Ready": ("False", "Progressing", "0 of 1 replicas are up to date"),
            "Accepted": ("True", "Accepted", "The spec is valid."),
            "ResolvedRefs": ("True", "ReferencesResolved", "Every reference exists."),
            "PolicyEnforced": ("False", "NoServingPod", "No pod can serve yet."),
            "WorkloadAvailable": ("False", "Progressing", "0 of 1 replicas are up to date"),
            "Reconciling": ("True", "Progressing", "0 of 1 replicas are up to date"),
        }

    async def tell(self, *without: str, **more: Any) -> float | None:
        told = [
            {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": WHEN}
            for kind, (status, reason, message) in self.conditions.items()
            if kind not in without
        ]
        status = AIAgentStatus.model_validate({"conditions": told, **more})
        live = PackedStatus.of(self.scene.live)
        stored = Stored(Invalid(Metadata("n", "p", uid="u"), ""), 1, live)
        return await self.scene.writer.write(Key("AIAgent", "n", "p"), stored, status)


async def test_how_pods_come_up_is_told_every_few_seconds_and_what_comes_of_it_at_once() -> None:
    agent = Agent()
    assert await agent.tell() is None
    agent.conditions["PolicyEnforced"] = "True", "Enforced", "1/1 pods echo it."
    assert await agent.tell(enforced="1/1") == FIGURES_SECONDS
    for kind in ("Ready", "WorkloadAvailable", "Reconciling"):
        agent.conditions[kind] = (*agent.conditions[kind][:2], "1 of 1 replicas are up to date, 0 available")
    agent.scene.clock.now += 2
    assert await agent.tell(enforced="1/1") == FIGURES_SECONDS - 2
    agent.conditions["WorkloadAvailable"] = "True", "Available", "1 of 1 replicas are available."
    agent.conditions["Ready"] = "True", "Ready", "1/1 pods echo it."
    assert await agent.tell("Reconciling", enforced="1/1", replicas=1) is None
    assert len(agent.scene.sent) == 2


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("Ready", ("False", "NoProviderAllowed", "The policies exclude every provider.")),
        ("Reconciling", ("True", "CredentialsChanged", "The pods are replaced.")),
        ("ResolvedRefs", ("True", "ReferencesResolved", "Every reference exists, but the Service does not.")),
        ("Stalled", ("True", "ConfigRefused", "A pod refuses the config.")),
    ],
)
async def test_news_of_an_agent_on_its_way_does_not_wait(kind: str, told: tuple[str, str, str]) -> None:
    agent = Agent()
    await agent.tell()
    agent.conditions[kind] = told
    assert await agent.tell(enforced="0/1") is None


async def test_a_pod_that_no_longer_enforces_is_told_at_once() -> None:
    agent = Agent()
    agent.conditions["PolicyEnforced"] = "True", "Enforced", "1/1 pods echo it."
    await agent.tell()
    agent.conditions["PolicyEnforced"] = "False", "NotYetEnforced", "0/1 pods echo it."
    assert await agent.tell() is None


async def test_another_generation_of_an_agent_on_its_way_is_told_at_once() -> None:
    agent = Agent()
    await agent.tell(observedGeneration=1)
    assert await agent.tell(observedGeneration=2, enforced="0/1") is None


async def test_an_agent_that_was_ready_is_told_of_at_once() -> None:
    agent = Agent()
    agent.conditions["Ready"] = "True", "Ready", "1/1 pods echo it."
    await agent.tell("Reconciling")
    assert await agent.tell("Reconciling", replicas=2) is None
