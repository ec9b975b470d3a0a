"""Puts the parts together, starts them and stops them.

Order at start: health, lists of all three kinds, watches of the rest, what the cluster says of itself. Only then, and
only while this replica holds the lease, do workers take keys: planning with a part missing would take it for absent,
and a policy that is taken for absent lets through what it forbids.

Order at the end: workers, then the lease, so that nobody else starts while we still write.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.alertevents import AlertEvents
from regent_operator.engine.alertwatches import AlertWatches
from regent_operator.engine.autoscalers import Autoscalers
from regent_operator.engine.canary import Canary
from regent_operator.engine.children import Children
from regent_operator.engine.client import WRITE_SECONDS, ApiClient
from regent_operator.engine.echo import EchoRounds
from regent_operator.engine.errors import ApiError, NotLeadingError
from regent_operator.engine.events import Recorder
from regent_operator.engine.facts import ClusterFacts
from regent_operator.engine.gather import Gatherer
from regent_operator.engine.health import HealthServer, Progress
from regent_operator.engine.lease import Leadership
from regent_operator.engine.logfindings import LogFindings
from regent_operator.engine.metrics import Metrics
from regent_operator.engine.namespaces import Namespaces
from regent_operator.engine.narrate import Narrator
from regent_operator.engine.pods import Pod, Pods
from regent_operator.engine.queue import Priority, WorkQueue
from regent_operator.engine.reconcile import Reconciler
from regent_operator.engine.references import References
from regent_operator.engine.reflector import Collection, Reflector
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, OURS, SERVICES, Key
from regent_operator.engine.seals import Sealer
from regent_operator.engine.statuses import MINUTE_SECONDS, StatusWriter
from regent_operator.engine.store import Store
from regent_operator.engine.sweep import sweep, take_whole_lists
from regent_operator.engine.targetports import TargetPorts
from regent_operator.engine.trials import Trials
from regent_operator.engine.watched import Observers, watched
from regent_operator.plan.echo import Echo
from regent_operator.settings import Settings
from regent_operator.signing import Signer

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
FIRST_SWEEP_SECONDS = 5.0
SWEEP_SECONDS = 300.0
SOON_SECONDS = 10.0
"""Between a watch that lost its place and the sweep for what kopf's may have lost, too."""
MOMENT_SECONDS = 0.05
TOGETHER_SECONDS = 0.3
"""What agents mean to a policy or route is told to it once for all that happens within this time."""


class Engine:
    """`start` returns when the store is whole; `stop` ends everything. `failed` is set when a part has died."""

    def __init__(self, settings: Settings, access: ClusterAccess, signer: Signer) -> None:
        self.settings = settings
        self.failed = asyncio.Event()
        self.metrics = Metrics()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.store = Store(settings.scope, self._touch)
        self.client = ApiClient(access, self.metrics, self._may_write)
        self.leadership = Leadership(
            self.client, settings.namespace, settings.lease_name, settings.identity, began=self._begin_to_lead
        )
        self.children = Children(self._child_moved)
        self.recorder = Recorder(self.client, settings.identity)
        self.alert_events = AlertEvents(self.recorder.record, self._uid_of)
        self.pods = Pods(self._pod_moved, self._child_moved, self._pod_answered, self._pod_counted, self._pod_ended)
        self.alert_watches = AlertWatches(self.client, self.pods, self.leadership.holds)
        self.echoes = EchoRounds(self.client, self.pods, self.leadership.holds, waits=self.queue.waits)
        self.autoscalers = Autoscalers(
            self.client,
            self.children,
            settings.scope.managed,
            self._touch_agent,
            keda=settings.keda_url is not None,
        )
        self._canary = Canary(settings.metrics_host, settings.canary_port) if settings.canary_port else None
        self.trials = Trials(self.client, self.pods, self._canary, self.leadership.holds, self.metrics.tried)
        self.namespaces = Namespaces(self.store.touch_namespace)
        self.config_maps = References(self.client, CONFIG_MAPS, self._touch_agent, self._watches_config_maps)
        self.services = References(self.client, SERVICES, self._touch_agent, settings.scope.manages)
        self.target_ports = TargetPorts(self.client, self.services.touch_users, settings.scope.manages)
        self.log_findings = LogFindings(self.client, settings.collector_url, self._touch_agent)
        self.facts = ClusterFacts(
            self.client,
            replace(settings.installation, config_keys=signer.public),
            self._look_at_everything,
            read_service_cidrs=not settings.cluster_cidrs,
        )
        self._sweep_wanted = asyncio.Event()
        observers = Observers(
            self.children,
            self.pods,
            self.config_maps,
            self.services,
            self.target_ports,
            self.namespaces,
            self.store,
        )
        self.reflectors = [
            Reflector(self.client, each, observer, partial(self._listed_anew, each))
            for each, observer in watched(settings.scope, observers)
        ]
        self.reconciler = Reconciler(
            self.client,
            self.store,
            self.children,
            self.pods,
            self.facts,
            self._gatherer(),
            self.echoes,
            self.autoscalers,
            Sealer(self.client, self.children, self.pods, signer),
            StatusWriter(self.client, self.store),
            Narrator(self.recorder, self.metrics),
            self.log_findings.of,
            self.queue.is_urgent_beside,
            self.trials.again,
            self._child_moved,
        )
        self._health = HealthServer(
            settings.metrics_host, settings.metrics_port, self._progress, self._missing, self.metrics.text
        )
        self._resources = AsyncExitStack()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._lease: asyncio.Task[None] | None = None
        self._register_gauges()

    async def start(self) -> None:
        """Until the store is whole. Errors of the API server are waited out."""
        await self._resources.enter_async_context(self.client)
        await self._resources.enter_async_context(self._health)
        if self._canary is not None:
            await self._resources.enter_async_context(self._canary)
            self._tasks.append(self._begin(self.trials.run(), "network trials"))
        self._lease = self._begin(self.leadership.run(), "lease")
        for reflector in self.reflectors:
            self._tasks.append(self._begin(reflector.run(), f"watch {reflector.collection}"))
        self._tasks += [
            self._begin(self.facts.run(), "facts"),
            self._begin(self.recorder.run(), "events"),
            self._begin(self.echoes.run(), "echoes"),
            self._begin(self.autoscalers.run(), "autoscalers"),
            self._begin(self.alert_watches.run(), "alerts"),
        ]
        await self.log_findings.look()
        self._tasks.append(self._begin(self.log_findings.run(), "log findings"))
        await self._list_all()
        self._tasks.append(self._begin(self._sweeps(), "sweep"))
        self._tasks += [self._begin(self._work(), f"worker {n}") for n in range(self.settings.workers)]

    async def stop(self) -> None:
        """Begins no more writes, waits for those that run, ends the workers, gives the lease back. Idempotent."""
        self._stopping = True
        await self._settle()
        await _end(self._tasks)
        if self._lease is not None:
            await _end([self._lease])
        await self._resources.aclose()

    async def _settle(self) -> None:
        """Until no worker holds a key: one that wanted to write is refused, so it holds it no longer than one call."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                await self.queue.idle()

    def _begin(self, coroutine: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """No part ends by itself: without it the process would look alive and do nothing."""
        if not task.cancelled():
            log.error("%s has died", task.get_name(), exc_info=task.exception())
            self.failed.set()

    async def _list_all(self) -> None:
        while True:
            try:
                await take_whole_lists(self.client, self.store)
            except ApiError as error:
                log.warning("the three kinds cannot be listed: %s", error)
                await asyncio.sleep(error.retry_after or RETRY_SECONDS)
            else:
                return

    async def _sweeps(self) -> None:
        wait = FIRST_SWEEP_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._sweep_wanted.wait()
            if self._sweep_wanted.is_set():
                self._sweep_wanted.clear()
                await asyncio.sleep(SOON_SECONDS)
            wait = SWEEP_SECONDS * (0.5 + random.random())  # noqa: S311
            try:
                await sweep(self.client, self.store)
            except ApiError as error:
                log.warning("the sweep failed: %s", error)

    async def _work(self) -> None:
        await self.facts.known.wait()
        for reflector in self.reflectors:
            await reflector.synced.wait()
        while True:
            await self.leadership.held.wait()
            key = await self.queue.get()
            try:
                if self._may_write():
                    await self._reconcile(key)
                else:
                    self.queue.postpone(key, RETRY_SECONDS)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        started = time.monotonic()
        try:
            again = await self.reconciler.reconcile(key)
        except ApiError as error:
            wait = self.queue.retry(key, error.retry_after or 0.0)
            self.metrics.errors.labels(key.kind, error.reason or str(error.status)).inc()
            log.warning("%s: %s; again in %.1f s", key, error, wait)
        except NotLeadingError as error:
            self.queue.postpone(key, RETRY_SECONDS)
            log.info("%s: %s", key, error)
        except Exception as error:
            wait = self.queue.retry(key)
            self.metrics.errors.labels(key.kind, type(error).__name__).inc()
            log.exception("%s: unexpected; again in %.1f s", key, wait)
        else:
            self.queue.forget(key)
            self.metrics.succeeded(key.kind)
            if again.after is not None:
                self.queue.add(key, Priority.FOLLOW, again.after)
            elif self.store.get(key) is not None:
                jitter = 0.5 + random.random() / 2  # noqa: S311
                self.queue.add(key, Priority.RESYNC, self.settings.resync_seconds * jitter)
        finally:
            self.metrics.reconcile_seconds.labels(key.kind).observe(time.monotonic() - started)

    def _may_write(self) -> bool:
        return self.leadership.holds() and not self._stopping

    def _begin_to_lead(self) -> None:
        """What was learnt only while leading is old: another replica led since."""
        self.children.forget_written()
        self.pods.forget_echoes()
        self.echoes.forget_all()
        self.trials.forget_all()
        self.autoscalers.restart()
        self.store.forget_figures()
        self.reconciler.forget_all()
        self.queue.restart_waits()
        self._look_at_everything()

    def _look_at_everything(self) -> None:
        self.store.touch_all(Priority.FOLLOW)

    def _touch(self, key: Key, priority: Priority) -> None:
        if key.kind == AGENTS.kind:
            self._look_at(key, priority)
        else:  # only a status hangs on it: configs of agents go first
            delay = TOGETHER_SECONDS if priority is Priority.FOLLOW else 0.0
            self._look_at(key, max(priority, Priority.FOLLOW), delay)

    def _look_at(self, key: Key, priority: Priority, delay: float = 0.0) -> None:
        """Nobody takes keys while another replica leads: what is gone is forgotten at once then."""
        if key in self.store or self.leadership.holds():
            self.queue.add(key, priority, delay)
        else:
            self.queue.drop(key)
            self.reconciler.forget(key)

    def _listed_anew(self, collection: Collection) -> None:
        self._sweep_wanted.set()
        if collection.labels == OURS:
            self.children.listed_anew(collection.resource)

    def _touch_agent(self, key: Key) -> None:
        self._look_at(key, Priority.EDIT if key in self.store else Priority.FOLLOW)

    def _uid_of(self, key: Key) -> str | None:
        found = self.store.get(key)
        return found.metadata.uid if found else None

    def _child_moved(self, key: Key) -> None:
        """Children of one agent move together, and our own writes come back here: one look serves for all."""
        self._look_at(key, Priority.FOLLOW, MOMENT_SECONDS)

    def _pod_moved(self, key: Key) -> None:
        self.echoes.look(key)
        self._child_moved(key)

    def _pod_counted(self, key: Key) -> None:
        """Other figures alone: told once a minute at the most."""
        self._look_at(key, Priority.FOLLOW, MINUTE_SECONDS)

    def _pod_answered(self, pod: Pod, echo: Echo) -> None:
        self.alert_events.heard(pod, echo)
        self.alert_watches.heard(pod, echo)
        self.trials.heard(pod)

    def _pod_ended(self, uid: str) -> None:
        self.alert_events.forget(uid)
        self.trials.forget(uid)

    def _gatherer(self) -> Gatherer:
        return Gatherer(
            self.client,
            self.store,
            self.children,
            self.namespaces,
            self.config_maps,
            self.services,
            self.target_ports,
        )

    def _watches_config_maps(self, namespace: str) -> bool:
        """The operator's own hold key sets of the floor's issuers."""
        return self.settings.scope.manages(namespace) or namespace == self.settings.scope.own

    def _progress(self) -> Progress:
        return Progress(
            heartbeat_age=self.leadership.seconds_since_attempt,
            leads=self.leadership.holds() and self._complete(),
            still=self.queue.still_seconds,
            longest_run=self.queue.longest_run_seconds,
        )

    def _complete(self) -> bool:
        return not any(self._missing())

    def _missing(self) -> Iterator[str]:
        """What this replica waits for before it could work."""
        if not self.store.ready:
            yield "the three kinds have not been listed"
        if not self.facts.known.is_set():
            yield "the cluster's signing keys and ranges have not been read"
        for reflector in self.reflectors:
            if not reflector.synced.is_set():
                yield f"{reflector.collection} has not been listed"

    def _register_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("regent_operator_queue_depth", "Keys that are due", lambda: self.queue.depth)
        gauge("regent_operator_queue_oldest_seconds", "Wait of the oldest due key", lambda: self.queue.oldest_seconds)
        gauge("regent_operator_leader", "1 while this replica writes", lambda: float(self.leadership.holds()))
        gauge("regent_operator_objects", "Objects of the three kinds that are known", lambda: len(self.store))
        gauge("regent_operator_children", "Children that are known", lambda: len(self.children))
        gauge("regent_operator_pods", "Pods that are known", lambda: len(self.pods))
        silent = "1 while the audit collector does not say what it found wrong with pods' logs"
        gauge("regent_operator_collector_silent", silent, lambda: float(self.log_findings.silent))
        gauge(
            "regent_operator_watches_failing",
            "Watches whose last attempt failed",
            lambda: sum(bool(reflector.failing) for reflector in self.reflectors),
        )


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Whatever they end with: `_ended` has told what a part died of, and the rest of the stop must come."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
