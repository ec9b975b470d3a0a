"""`audit.alerts`: CEL over the records of turns that have ended, as they come to the disk.

A rule that matches is counted for /statusz, where the operator waits for it and makes an Event, and is posted to its
webhook. Alerts run behind the log: they never hold a turn nor end the process, and what they cannot keep up with is
counted as missed. A post is tried three times and then given up; its record stays in the log.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_api.audit.alert import Expression, InvalidExpression
from regent_api.audit.record import Kind, Record, decode
from regent_api.config import AgentConfig
from regent_runtime.audit.moves import Moves
from regent_runtime.audit.webhook import Undeliverable, Webhook
from regent_runtime.telemetry import log

MOST_WAITING = 4096
"""Records that wait to be looked at."""
MOST_TOGETHER = 32
MOST_DELIVERIES = 256
DELIVERERS = 4
PAUSES = (0.0, 1.0, 4.0)
"""Seconds before each attempt of a delivery."""
_ENDINGS = frozenset((Kind.OUTCOME, Kind.REFUSED, Kind.REFUSALS, Kind.LOST))
"""Records that are looked at: what an intent says, its outcome repeats."""

Name = tuple[str, str]
"""Policy (NAMESPACE/NAME), alert."""


@dataclass(frozen=True)
class _Rule:
    name: Name
    when: Expression
    webhook: str | None
    """Its URL."""


class Alerts:
    """`run` looks and delivers until it is cancelled. `told` is called with policy and name of each match."""

    def __init__(self, told: Callable[[str, str], None]) -> None:
        self._told = told
        self.fired: Counter[Name] = Counter()
        self.failed: Counter[Name] = Counter()
        """Deliveries that were given up, and evaluations that were no answer."""
        self.fired_at: dict[Name, int] = {}
        """Unix time of the last match."""
        self.moves = Moves()
        """How many matches and failures there were."""
        self.missed = 0
        self._config: AgentConfig | None = None
        self._in_force: AgentConfig | None = None
        self._rules: Sequence[_Rule] = ()
        self._hooks: Mapping[str, Webhook] = {}
        self._waiting: deque[bytes] = deque()
        self._woken = asyncio.Event()
        self._deliveries: asyncio.Queue[tuple[Name, str, bytes]] = asyncio.Queue(MOST_DELIVERIES)

    def configure(self, config: AgentConfig) -> None:
        self._config = config
        self._woken.set()

    def look(self, payloads: Sequence[bytes]) -> None:
        """Records that are on disk, as canonical bytes."""
        if self._config is None or not self._config.policy.audit.alerts:
            return
        for payload in payloads:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(payload)
            else:
                self.missed += 1
        self._woken.set()

    def status(self) -> list[dict[str, Any]]:
        """For /statusz: each alert of the config in force, and of those before that have fired."""
        stated = self._config.policy.audit.alerts if self._config else ()
        names = {(rule.policy, rule.name) for rule in stated} | set(self.fired) | set(self.failed)
        return [
            {
                "policy": name[0],
                "name": name[1],
                "fired": self.fired[name],
                "failed": self.failed[name],
                "firedAt": self.fired_at.get(name),
            }
            for name in sorted(names)[:64]
        ]

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(DELIVERERS):
                    tasks.create_task(self._deliver())
                while True:
                    await self._woken.wait()
                    self._woken.clear()
                    await self._take_over()
                    while self._waiting:
                        await self._look_at_some()
        finally:
            await self._close(self._hooks)

    async def _take_over(self) -> None:
        """Compile the rules of a new config: the interpreter is loaded only where a policy states an alert."""
        config = self._config
        if config is None or config is self._in_force:
            return
        old, self._in_force = self._hooks, config
        urls = {rule.webhook for rule in config.policy.audit.alerts if rule.webhook}
        self._hooks = {url: Webhook(config, url) for url in sorted(urls)}
        self._rules = await asyncio.to_thread(self._compiled, config)
        self._moved()
        await self._close(old)

    def _compiled(self, config: AgentConfig) -> list[_Rule]:
        rules = []
        for rule in config.policy.audit.alerts:
            name = (rule.policy, rule.name)
            try:
                rules.append(_Rule(name, Expression(rule.when), rule.webhook))
            except InvalidExpression:  # the operator refuses these; a config from elsewhere must not end the process
                self.failed[name] += 1
        return rules

    async def _look_at_some(self) -> None:
        together = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
        for rule, record in await asyncio.to_thread(self._matches, together):
            self.fired[rule.name] += 1
            self.fired_at[rule.name] = int(time.time())
            self._told(*rule.name)
            if rule.webhook is not None:
                self._post(rule.name, rule.webhook, record)
        self._moved()

    def _matches(self, payloads: Sequence[bytes]) -> list[tuple[_Rule, Record]]:
        found = []
        for record in map(decode, payloads):
            for rule in self._rules if record.kind in _ENDINGS else ():
                try:
                    if rule.when.holds(record):
                        found.append((rule, record))
                except InvalidExpression:
                    self.failed[rule.name] += 1
        return found

    def _post(self, name: Name, url: str, record: Record) -> None:
        alert = {
            "alert": name[1],
            "policy": name[0],
            "agent": record.agent,
            "record": record,
        }
        try:
            self._deliveries.put_nowait((name, url, msgspec.json.encode(alert)))
        except asyncio.QueueFull:
            self.failed[name] += 1

    async def _deliver(self) -> None:
        while True:
            name, url, body = await self._deliveries.get()
            try:
                failed = await self._delivered(url, body)
            except Undeliverable as undeliverable:
                failed = undeliverable.reason
            except Exception as error:  # noqa: BLE001 - an alert ends no turn
                failed = type(error).__name__
            if failed:
                self.failed[name] += 1
                self._moved()
                log.write("alert_undeliverable", policy=name[0], alert=name[1], reason=failed)

    async def _delivered(self, url: str, body: bytes) -> str:
        """Empty when it was taken, else a word. Each attempt is made as the config then in force lets it."""
        failed = ""
        for pause in PAUSES:
            await asyncio.sleep(pause)
            hook = self._hooks.get(url)
            if hook is None:
                return "webhook_removed"
            failed = await hook.post(body)
            if not failed:
                break
        return failed

    def _moved(self) -> None:
        self.moves.reach(self.fired.total() + self.failed.total())

    async def _close(self, hooks: Mapping[str, Webhook]) -> None:
        for hook in hooks.values():
            with suppress(OSError):
                await hook.close()
