"""`audit.alerts`: CEL over the records of turns that have ended, as they come to the disk.

A rule that matches is counted for /statusz, where the operator waits for it and makes an Event, and is posted to its
webhook. Alerts run behind the log: they never hold a turn, and what they cannot keep up with is counted as missed.
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
from regent_api.audit.record import Kind, Record, decode, encode
from regent_api.config import AgentConfig
from regent_runtime.audit.moves import Moves
from regent_runtime.audit.webhook import Undeliverable, Webhook
from regent_runtime.telemetry import log

MOST_WAITING = 4096
"""Records that wait to be looked at."""
MOST_TOGETHER = 32
MOST_DELIVERIES = 256
DELIVERERS = 4
_ENDINGS = frozenset((Kind.OUTCOME, Kind.REFUSED, Kind.REFUSALS, Kind.LOST))
"""Records that are looked at: what an intent says, its outcome repeats."""

Name = tuple[str, str]
"""Policy (NAMESPACE/NAME), alert."""


@dataclass(frozen=True)
class _Rule:
    name: Name
    when: Expression
    webhook: Webhook | None


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
        self._deliveries: asyncio.Queue[tuple[_Rule, dict[str, Any]]] = asyncio.Queue(MOST_DELIVERIES)

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
                rules.append(_Rule(name, Expression(rule.when), self._hooks.get(rule.webhook or "")))
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
                self._post(rule, record)
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

    def _post(self, rule: _Rule, record: Record) -> None:
        policy, name = rule.name
        alert = {"alert": name, "policy": policy, "agent": record.agent, "record": msgspec.json.decode(encode(record))}
        try:
            self._deliveries.put_nowait((rule, alert))
        except asyncio.QueueFull:
            self.failed[rule.name] += 1

    async def _deliver(self) -> None:
        while True:
            rule, alert = await self._deliveries.get()
            if rule.webhook is None:
                continue
            try:
                await rule.webhook.deliver(alert)
            except Undeliverable as failed:
                self.failed[rule.name] += 1
                self._moved()
                log.write("alert_undeliverable", policy=rule.name[0], alert=rule.name[1], reason=failed.reason)

    def _moved(self) -> None:
        self.moves.reach(self.fired.total() + self.failed.total())

    async def _close(self, hooks: Mapping[str, Webhook]) -> None:
        for hook in hooks.values():
            with suppress(OSError):
                await hook.close()
