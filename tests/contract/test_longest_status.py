"""What a pod says of itself is never longer than what the operator reads of it, whatever its config is."""

from pathlib import Path
from typing import Any

from regent_operator.engine.client import STATUS_BYTES
from regent_operator.plan.echo import echo_of
from regent_runtime.route.failure import Failure
from regent_runtime.serve.status import MOST_ERROR_CHARACTERS
from regent_runtime.state.contract import NANOS, Period
from tests.fakes import configs
from tests.fakes.serving import Served, serving

LONGEST_FIGURE = 2**53
MARGIN_BYTES = 4096
"""For digits and words that a running pod may have more of than this one."""


def longest(number: int, length: int) -> str:
    """A name of so many characters, each with its number."""
    return f"{number:04}".rjust(length, "n")


def provider(number: int) -> dict[str, Any]:
    """With as many keys as a route may name."""
    keys = range(8 * number, 8 * (number + 1))
    credentials = [{"name": f"k-{key}", "secret": longest(key, 253), "key": longest(key, 253)} for key in keys]
    return configs.provider_config(longest(number, 63), "http://127.0.0.1:9", credentials=credentials)


def document(grants: int = 32 * 16) -> dict[str, Any]:
    """As many of everything as the kinds allow, with the longest names; `grants`: of API keys, over all policies."""
    alerts = [
        {
            "policy": f"{longest(number // 16, 63)}/{longest(number // 16, 253)}",
            "name": longest(number, 63),
            "when": "true",
        }
        for number in range(80)
    ]
    api_keys = [
        {
            "name": longest(number, 63),
            "secretKeyRef": {"name": longest(1000 + number, 253), "key": longest(number, 253)},
        }
        for number in range(grants)
    ]
    made = configs.document(*(provider(number) for number in range(16)))
    policy = {
        "audit": {"alerts": alerts},
        "budget": {"perDayUsd": "999999.999999999", "perMonthUsd": "999999.999999999"},
        "callers": {"apiKeys": [api_keys]},
    }
    return configs.merged(made, {"policy": policy})


async def body(served: Served) -> bytes:
    async with served.http.get(f"{served.status_url}/statusz") as response:
        return await response.read()


def fill(served: Served) -> None:
    """Let all that is counted and heard be as long as it can be."""
    runtime, snapshot = served.runtime, served.runtime.lifecycle.snapshot
    assert snapshot is not None
    alerts = runtime.audit.alerts
    for rule in snapshot.config.policy.audit.alerts:
        name = (rule.policy, rule.name)
        alerts.fired[name] = alerts.failed[name] = alerts.fired_at[name] = LONGEST_FIGURE
    for standing in snapshot.standings.values():
        standing.last_failure = max((failure.word for failure in Failure), key=len)
        standing._cooled_until = 1e9
    for period in (Period.DAY, Period.MONTH):
        runtime.states.spending.reserved(period, 10**15 * NANOS, None, 1)


async def test_the_longest_status_is_read_whole(tmp_path: Path) -> None:
    """Every key is missing, every API key too weak, and the config that follows refused with the longest words."""
    async with serving(tmp_path, document()) as served:
        for number in range(40):
            served.secret(longest(1000 + number, 253), **{longest(number, 253): "weak\n" * 16})
        await served.until(lambda said: "is too weak" in str(said["apiKeyProblems"]))
        served.volume.write({"\x01" * 5000: 1, **document()})
        said = await served.until(lambda said: said["configError"] is not None)
        fill(served)
        raw = await body(served)
        assert len(raw) <= STATUS_BYTES - MARGIN_BYTES
        assert len(said["configError"]) == MOST_ERROR_CHARACTERS

        said = await served.statusz()
        assert len(said["audit"]["alerts"]) == 64
        assert [len(said[name]) for name in ("providers", "budgets")] == [16, 2]
        *named, beyond = said["missingCredentials"]
        every = 2 * 16 * 8 + 32 * 16
        assert beyond == f"and {every - len(named)} more"
        assert len(said["apiKeyProblems"]) > 10
        echo = echo_of(said)
        assert echo is not None
        assert (*named, echo.missing_beyond) == (*echo.missing_credentials, every - len(named))
