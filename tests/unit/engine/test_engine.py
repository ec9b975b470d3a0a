"""How the parts are put together; what they do together, the tests against a real API server show."""

import asyncio
import random
from typing import Any

import pytest

from regent_operator.engine import engine as engines
from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.engine import Engine
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.health import Progress
from regent_operator.engine.reconcile import Again
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, NOT_OURS, OURS, PODS, SERVICES, Key, Resource
from regent_operator.settings import Settings
from regent_operator.signing import Signer
from tests.unit.engine.fake_client import meta

AGENT = Key("AIAgent", "n", "a")


@pytest.fixture
def engine() -> Engine:
    settings = Settings("regent-system", "runtime:1", "/keys", cluster_cidrs=("10.0.0.0/16",))
    return Engine(settings, ClusterAccess("http://127.0.0.1:1"), Signer.new())


async def _dies() -> None:
    raise ValueError("a part has died")


async def test_what_died_does_not_keep_the_rest_from_ending_in_order(engine: Engine) -> None:
    ended: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(name)

    engine._tasks = [engine._begin(_dies(), "dies"), engine._begin(part("watch"), "watch")]
    engine._lease = engine._begin(part("lease"), "lease")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.failed.is_set()
    engine._resources.callback(ended.append, "sessions")
    await engine.stop()
    assert ended == ["watch", "lease", "sessions"]


async def test_the_lease_is_kept_until_what_is_being_written_is_written(engine: Engine) -> None:
    ended: list[str] = []

    async def lease() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("lease")

    async def work() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        ended.append("written")
        engine.queue.done(AGENT)
        await asyncio.sleep(3600)

    engine.queue.add(AGENT)
    assert engine.queue.take() == AGENT
    engine._tasks, engine._lease = [engine._begin(work(), "worker")], engine._begin(lease(), "lease")
    await asyncio.sleep(0)
    await engine.stop()
    assert ended == ["written", "lease"]
    engine.leadership.held.set()
    assert not engine._may_write()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("unexpected"), "ValueError"),
        (ApiError(409, "Conflict", "somebody else has written"), "Conflict"),
        (ApiError(502, "", "no words"), "502"),
        (NotLeadingError("lost"), None),
    ],
    ids=["bug", "refusal", "proxy", "lease"],
)
async def test_an_error_of_one_key_is_counted_and_tried_again_and_ends_nobody(
    engine: Engine, error: Exception, reason: str | None
) -> None:
    async def fails(key: Key) -> Any:
        raise error

    engine.reconciler.reconcile = fails  # type: ignore[method-assign]
    await engine._reconcile(AGENT)
    assert len(engine.queue) == 1
    assert not engine.failed.is_set()
    assert figures(engine, "regent_operator_reconcile_errors_total") == ({("AIAgent", reason): 1.0} if reason else {})
    assert figures(engine, "regent_operator_reconcile_seconds_count") == {("AIAgent",): 1.0}
    assert figures(engine, "regent_operator_last_success_timestamp_seconds") == {}


async def test_a_success_is_told_by_its_kind_and_when(engine: Engine) -> None:
    async def finds_nothing(key: Key) -> Again:
        return Again()

    engine.reconciler.reconcile = finds_nothing  # type: ignore[method-assign]
    engine.metrics._now = lambda: 1234.0
    for key in (AGENT, AGENT, Key("ModelRoute", "n", "r")):
        await engine._reconcile(key)
    assert figures(engine, "regent_operator_reconcile_seconds_count") == {("AIAgent",): 2.0, ("ModelRoute",): 1.0}
    last = figures(engine, "regent_operator_last_success_timestamp_seconds")
    assert last == {("AIAgent",): 1234.0, ("ModelRoute",): 1234.0}
    assert figures(engine, "regent_operator_reconcile_errors_total") == {}


def figures(engine: Engine, name: str) -> dict[tuple[str, ...], float]:
    """Of a series: the values of its labels -> its own."""
    samples = (sample for family in engine.metrics.registry.collect() for sample in family.samples)
    return {tuple(each.labels.values()): each.value for each in samples if each.name == name}


async def test_a_watch_that_lost_its_place_has_everything_swept_soon(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = asyncio.Event()

    async def sweep(*_: object) -> None:
        swept.set()

    monkeypatch.setattr(engines, "sweep", sweep)
    monkeypatch.setattr(engines, "FIRST_SWEEP_SECONDS", 3600.0)
    monkeypatch.setattr(engines, "SOON_SECONDS", 0.0)
    task = asyncio.create_task(engine._sweeps())
    await asyncio.sleep(0)
    assert not swept.is_set()
    engine.reflectors[0]._listed_anew()
    await swept.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_watch_that_lost_its_place_leaves_no_child_of_its_kind_known_that_it_did_not_tell_of(engine: Engine) -> None:
    engine.children.wrote(CONFIG_MAPS, meta("a", 3) | {"data": {}}, "hash", stripped=False)
    own = [
        each for each in engine.reflectors if (each.collection.resource, each.collection.labels) == (CONFIG_MAPS, OURS)
    ]
    for reflector in engine.reflectors:
        if reflector not in own:
            reflector._listed_anew()
    assert len(engine.children) == 1
    own[0]._listed_anew()
    assert len(engine.children) == 0


@pytest.mark.parametrize(("drawn", "minutes"), [(0.0, 15.0), (0.5, 22.5), (1.0, 30.0)])
async def test_what_is_at_rest_is_looked_at_again_within_half_an_hour_but_not_all_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, drawn: float, minutes: float
) -> None:
    now = 0.0
    engine.queue._clock = lambda: now

    async def finds_nothing(key: Key) -> Again:
        return Again()

    engine.reconciler.reconcile = finds_nothing  # type: ignore[method-assign]
    monkeypatch.setattr(random, "random", lambda: drawn)
    engine.store.seen(AGENTS, meta("a", 1, generation=1) | {"spec": {}})
    assert engine.queue.take() == AGENT
    await engine._reconcile(AGENT)
    engine.queue.done(AGENT)
    now = minutes * 60 - 1
    assert engine.queue.take() is None
    now += 1
    assert engine.queue.take() == AGENT


async def test_the_clusters_signing_keys_are_read_every_minute(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/security.md promises: a caller whose token bears a new key is refused no longer."""
    waits: list[float] = []

    async def reads() -> None:
        """Everything is as it was."""

    async def sleeps(seconds: float) -> None:
        waits.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(engine.facts, "refresh", reads)
    monkeypatch.setattr(asyncio, "sleep", sleeps)
    with pytest.raises(asyncio.CancelledError):
        await engine.facts.run()
    assert waits == [60.0]


def test_pods_are_watched_by_the_label_that_services_select(engine: Engine) -> None:
    [labels] = [r.collection.labels for r in engine.reflectors if r.collection.resource == PODS]
    assert labels == "regent.dev/agent"


@pytest.mark.parametrize("resource", [CONFIG_MAPS, SERVICES], ids=["ConfigMap", "Service"])
async def test_a_reference_hears_of_our_children_and_of_what_is_not_ours(engine: Engine, resource: Resource) -> None:
    """Another agent's Service may be a provider."""
    references = engine.config_maps if resource == CONFIG_MAPS else engine.services
    engine.store.seen(AGENTS, meta("a", 1) | {"spec": {}})
    assert engine.queue.take() == AGENT
    engine.queue.done(AGENT)
    references.use(AGENT, frozenset({("n", "other")}))
    observers = {r.collection.labels: r._observer for r in engine.reflectors if r.collection.resource == resource}
    assert set(observers) == {OURS, NOT_OURS}
    for version, observer in enumerate(observers.values(), 7):
        observer.seen(resource, meta("other", version), full=False)
        handed_out = {engine.queue.take(), engine.queue.take()}
        assert AGENT in handed_out
        observer.gone(resource, "n", "other", "uid-other")
        for key in handed_out - {None}:
            engine.queue.done(key)
        assert AGENT in engine.queue._waiting
        while (key := engine.queue.take()) is not None:
            engine.queue.done(key)


def test_what_was_learnt_while_leading_is_forgotten_when_leading_begins(engine: Engine) -> None:
    children, pods = engine.children, engine.pods
    children.wrote(CONFIG_MAPS, meta("a", 3) | {"data": {"agent.json": "{}"}}, "hash", stripped=False)
    pods.meet("u")
    engine.reconciler._met.add(AGENT)
    engine.reconciler._config_since[AGENT] = ("digest", 0.0)
    engine.reconciler._let_through[AGENT] = {}
    engine.echoes.expect(AGENT, "digest")
    engine._begin_to_lead()
    assert children.written_config("n", "a") is None
    assert not pods._met
    assert not engine.echoes._expected
    reconciler = engine.reconciler
    assert not reconciler._met
    assert not reconciler._config_since
    assert not reconciler._let_through


def test_a_standby_that_takes_over_after_hours_is_alive(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    engine.queue._clock = lambda: now
    engine.queue.add(AGENT)
    now = 7200.0
    engine._begin_to_lead()
    assert Progress(0.0, leads=True, still=engine.queue.still_seconds, longest_run=0.0).stuck() is None
