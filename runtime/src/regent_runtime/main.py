"""Starts and stops the process: `python -I -m regent_runtime`.

On SIGTERM: readiness goes, new turns are refused, running ones finish, the sockets close, the log is shipped, the
process ends. What still runs after the drain's timeout is ended with an error, and so it is by a second signal.
"""

import argparse
import asyncio
import gc
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from regent_api.drain import TIMEOUT_DEFAULT
from regent_api.types import Opinion, seconds
from regent_runtime import __version__
from regent_runtime.attendance import REFRESH_SECONDS, Attendance
from regent_runtime.audit.audit import Audit
from regent_runtime.audit.collection import CollectorAt
from regent_runtime.cache.embedder import lacking
from regent_runtime.config import Snapshot
from regent_runtime.credentials import Credentials
from regent_runtime.dialect.chat_completions import dialect as chat_completions
from regent_runtime.dialect.messages import dialect as messages
from regent_runtime.inforce import POLL_SECONDS, ConfigFile, ConfigInForce
from regent_runtime.lifecycle import Lifecycle
from regent_runtime.limits.bodies import Bodies
from regent_runtime.record import TurnRecord
from regent_runtime.seal import Trust, trusted_keys
from regent_runtime.serve import approvals, batch, conversations, offers
from regent_runtime.serve.actions import Actions
from regent_runtime.serve.app import Router
from regent_runtime.serve.http import App
from regent_runtime.serve.listener import MOST_CONNECTIONS, Listener
from regent_runtime.serve.status import PodIdentity, Status
from regent_runtime.serve.turns import Turns
from regent_runtime.state.source import States
from regent_runtime.telemetry import log
from regent_runtime.telemetry.metrics import Metrics

ACCEPTED = "accepted.json"


@dataclass(frozen=True)
class Options:
    """Port 0: one that is free. `state`: a folder that outlives the process, as long as the pod."""

    config: Path
    credentials: Path
    audit: Path
    agent_uid: str
    config_keys: tuple[str, ...]
    """`ed25519:BASE64` each: who may seal the config."""
    state: Path
    drain_timeout: float = seconds(TIMEOUT_DEFAULT)
    """Seconds; less than the kubelet's grace period."""
    image: str = __version__
    """What audit records bear: which image runs here, as the operator knows it; else which version."""
    collector: str | None = None
    collector_token: Path = Path("/etc/regent/collector/token")
    host: str | None = None
    """None: every address of the pod, of both families."""
    port: int = 8080
    status_port: int = 9090


class Runtime:
    """One agent's process. `run` returns after `stop`, when the last turn has ended."""

    def __init__(self, options: Options, pod: PodIdentity) -> None:
        self._drain_timeout = options.drain_timeout
        self.lifecycle = Lifecycle()
        self.metrics = Metrics()
        credentials = Credentials(options.credentials)
        self.attendance = Attendance(pod.uid)
        self.states = States(credentials, self.metrics.state_failed, attendance=self.attendance)
        trust = Trust(options.agent_uid, trusted_keys(options.config_keys), options.state / ACCEPTED)
        in_force = ConfigInForce(trust, credentials, self.states, self._swapped)
        self.config = ConfigFile(options.config, in_force)
        collector = CollectorAt(options.collector, options.collector_token) if options.collector else None
        self.audit = Audit(options.audit, pod.uid, self.metrics.alerted, self._forget, options.image, collector)
        status = Status(
            pod, self.lifecycle, self.config, in_force.seals, credentials, self.metrics, self.audit, self.attendance
        )
        probes = {"/livez": {"GET": status.livez}, "/readyz": {"GET": status.readyz}}
        actions = Actions(self.lifecycle, self.audit, self._acted)
        decisions = approvals.ApprovalEndpoint(actions)
        bodies = Bodies()
        turns = Turns(self.lifecycle, self.audit, bodies, self._ended)
        paths: dict[str, dict[str, App]] = {
            chat_completions.PATH: {"POST": turns.endpoint(chat_completions.ChatCompletions)},
            messages.PATH: {"POST": turns.endpoint(messages.Messages)},
            batch.PATH: {"POST": batch.Batches(self.lifecycle, turns, bodies, self._ended)},
            conversations.PATH: {"DELETE": conversations.Delete(actions)},
            approvals.PATH: {"GET": decisions.get, "POST": decisions.post},
        }
        figures: dict[str, dict[str, App]] = {
            "/statusz": {"GET": status.statusz},
            "/metrics": {"GET": status.metrics},
            offers.PATH: {"PUT": offers.Offers(in_force, status)},
        }
        self.serving = Listener(
            Router({**probes, **paths}, {messages.PATH: messages.Messages}), options.host, options.port
        )
        self.telling = Listener(Router({**probes, **figures}), options.host, options.status_port)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        await self.config.refresh()
        gc.freeze()  # a full collection over the imported modules would hold the loop for 50 ms
        log.write("started", version=__version__, port=self.serving.port, statusPort=self.telling.port)
        async with asyncio.TaskGroup() as tasks:
            auditing = tasks.create_task(self.audit.run())
            try:
                await self._serve()
            finally:
                auditing.cancel()
        await self.lifecycle.close()
        log.write("stopped")

    async def _serve(self) -> None:
        """Until `stop`, when the last turn has ended and the sockets are closed."""
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(self._follow()), tasks.create_task(self._count())]
            tasks.create_task(self.serving.listen())
            tasks.create_task(self.telling.listen())
            await self._stopping.wait()
            log.write("draining", turns=self.lifecycle.turns)
            self.serving.rest()
            await self.lifecycle.drain(self._drain_timeout)
            for each in following:
                each.cancel()
            self.audit.alerts.moves.end()
            self.serving.stop()
            self.telling.stop()

    def stop(self) -> None:
        """Begin to end; called again, end the running turns too."""
        if self._stopping.is_set():
            self.lifecycle.end_turns()
        self._stopping.set()

    async def _follow(self) -> None:
        while True:
            error = self.config.error
            await self.config.refresh()
            await self.lifecycle.close_unused()
            if self.config.error and self.config.error != error:
                log.write("config_refused", error=self.config.error)
            await asyncio.sleep(POLL_SECONDS)

    async def _count(self) -> None:
        """Follow which conversations left for other pods or became idle."""
        while True:
            snapshot = self.lifecycle.snapshot
            if snapshot is not None:
                with self.lifecycle.holding(snapshot):
                    await self.attendance.refresh(snapshot.state.state, snapshot.config.drain.idle_after_seconds)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _swapped(self, old: Snapshot | None, new: Snapshot) -> None:
        self.audit.configure(new.config)
        await self.lifecycle.swap(old, new)
        if new.config.policy.cache.semantic is Opinion.ALLOW and (missing := lacking()):
            log.write("semantic_cache_missing", lacks=missing)
        log.write("config", suspended=new.config.suspended, **new.digests.wire())

    async def _forget(self, digest: str) -> bool:
        """Whether nothing of the subject with this digest is left in the state."""
        snapshot = self.lifecycle.snapshot
        if snapshot is None:
            return False
        parts = (snapshot.cache.forget, snapshot.approvals.forget, snapshot.conversations.forget_all)
        with self.lifecycle.holding(snapshot):
            return all([await forget(digest) for forget in parts])

    def _acted(self, record: TurnRecord) -> None:
        self.audit.ended(record)
        self.metrics.acted(record)
        log.action(record)

    def _ended(self, record: TurnRecord) -> None:
        self.audit.ended(record)
        self.metrics.turn_ended(record)
        log.turn(record)


async def serve(options: Options, pod: PodIdentity) -> None:
    runtime = Runtime(options, pod)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stop)
    await runtime.run()


def options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="regent_runtime", description="Serve one agent under its effective policy.")
    parser.add_argument("--config", type=Path, default=Path("/etc/regent/config/agent.json"))
    parser.add_argument("--credentials", type=Path, default=Path("/etc/regent/credentials"))
    parser.add_argument("--audit", type=Path, default=Path("/var/lib/regent/audit"))
    parser.add_argument("--agent-uid", required=True, help="metadata.uid of the AIAgent")
    parser.add_argument(
        "--config-key",
        dest="config_keys",
        action="append",
        required=True,
        metavar="ed25519:BASE64",
        help="public key that the config is sealed with; repeatable",
    )
    parser.add_argument(
        "--state", type=Path, default=Path("/var/lib/regent/state"), help="folder that outlives a restart"
    )
    parser.add_argument(
        "--drain-timeout",
        type=float,
        default=Options.drain_timeout,
        metavar="SECONDS",
        help="what runs this long after SIGTERM is ended",
    )
    parser.add_argument("--image", default=Options.image, help="the image that runs here, for audit records")
    parser.add_argument("--collector", default=None, help="URL of the audit collector; absent: there is none")
    parser.add_argument("--collector-token", type=Path, default=Options.collector_token)
    parser.add_argument("--host", default=Options.host)
    parser.add_argument("--port", type=int, default=Options.port)
    parser.add_argument("--status-port", type=int, default=Options.status_port)
    given = vars(parser.parse_args(arguments))
    try:
        trusted_keys(given["config_keys"])
    except ValueError as error:
        parser.error(f"--config-key: {error}")
    return Options(**{**given, "config_keys": tuple(given["config_keys"])})


def raise_file_limit() -> None:
    """A turn holds two sockets, and some container engines hand out a soft limit of 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 4 * MOST_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < enough:
        most = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    raise_file_limit()
    log.capture_libraries()
    pod = PodIdentity(os.environ.get("POD_NAME", ""), os.environ.get("POD_UID", ""))
    uvloop.run(serve(chosen, pod))
