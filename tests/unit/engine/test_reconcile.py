"""When a key is looked at again although nothing happens to it."""

import pytest

from regent_operator.engine.resources import AGENTS, Key
from tests.unit.engine.world import AGENT, NAMESPACE, World

AUTOSCALED = Key(AGENTS.kind, NAMESPACE, "scaled")


async def test_an_agent_whose_autoscaler_tells_nothing_is_looked_at_when_that_is_to_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing else would bring the operator back before the resync, half an hour later."""
    world = World(monkeypatch)
    await world.begin(0)
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:41:00Z")
    world.put(AGENTS.kind, AUTOSCALED.name, AGENT | {"scaling": {"auto": {"minReplicas": 2}}})
    await world.settle()
    conditions = world.api.objects[AUTOSCALED]["status"]["conditions"]
    assert [each["reason"] for each in conditions if each["type"] == "ScalingActive"] == ["Pending"]
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:43:00Z")
    again = await world.engine.reconciler.reconcile(AUTOSCALED)
    assert again.after == 180.0
    monkeypatch.setattr(world.engine.reconciler._statuses, "now", lambda: "2026-11-25T20:46:00Z")
    assert (await world.engine.reconciler.reconcile(AUTOSCALED)).after is None
    conditions = world.api.objects[AUTOSCALED]["status"]["conditions"]
    assert [each["reason"] for each in conditions if each["type"] == "ScalingActive"] == ["MetricUnavailable"]
