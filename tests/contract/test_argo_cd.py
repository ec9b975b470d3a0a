"""Argo CD's health of the three kinds: the chart's script, in the Lua of a real Redis, which has Argo CD's version of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.redis_server import RedisServer, redis_server
from tests.unit.plan.kstatus import kstatus
from tests.unit.plan.phases import Object, statuses, whole

KINDS = ("AIAgent", "AgentPolicy", "ModelRoute")
SCRIPTS: dict[str, str] = yaml.safe_load(Path("charts/regent/argo-cd.yaml").read_text())["data"]
IN_REDIS = "local function health(obj)\n%s\nend\nreturn cjson.encode(health(cjson.decode(ARGV[1])))"
"""Redis lets no script set a global, which is where Argo CD gives it the object."""
HEALTH = {"InProgress": "Progressing", "Failed": "Degraded", "Current": "Healthy"}


async def judged(server: RedisServer, found: Object) -> tuple[str, str]:
    """Health and message."""
    script = SCRIPTS[f"resource.customizations.health.regent.dev_{found['kind']}"]
    said = json.loads(await server.ask("EVAL", IN_REDIS % script, "0", json.dumps(found)))
    return said["status"], said["message"]


def expected(status: Any, generation: int) -> str:
    verdict = kstatus(status.conditions, observed=status.observed_generation, generation=generation)
    suspended = any(each.type == "Suspended" for each in status.conditions)
    return "Suspended" if suspended and verdict == "Current" else HEALTH[verdict]


async def test_every_phase_has_the_health_that_kstatus_has(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        for kind in ("AIAgent", "ModelRoute"):
            found = {name: await judged(server, whole(status, at, kind)) for name, status, at in statuses()}
            assert {name: health for name, (health, _) in found.items()} == {
                name: expected(status, at) for name, status, at in statuses()
            }
            assert {health for health, _ in found.values()} == {"Progressing", "Degraded", "Suspended", "Healthy"}
            assert {name: message for name, (_, message) in found.items()} == {
                name: next(each.message for each in status.conditions if each.type == "Ready")
                for name, status, _ in statuses()
            }


async def test_a_policy_never_keeps_the_operator_from_being_applied(tmp_path: Path) -> None:
    """The floor's sync wave comes before it."""
    async with redis_server(tmp_path) as server:
        for name, status, at in statuses():
            health, _ = await judged(server, whole(status, at, "AgentPolicy"))
            assert health == expected(status, at).replace("Progressing", "Healthy"), name


@pytest.mark.parametrize("status", [None, {}, {"conditions": []}])
async def test_an_object_without_a_status_is_waited_for(tmp_path: Path, status: Object | None) -> None:
    found = {"kind": "AIAgent", "metadata": {"generation": 1}, **({} if status is None else {"status": status})}
    async with redis_server(tmp_path) as server:
        assert await judged(server, found) == ("Progressing", "Waiting for Regent's operator.")


def test_each_kind_has_the_script() -> None:
    assert {name: len(set(SCRIPTS.values())) for name in SCRIPTS} == {
        f"resource.customizations.health.regent.dev_{kind}": 1 for kind in KINDS
    }
