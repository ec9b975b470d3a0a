"""What the audit collector found wrong with pods' logs: asked every few seconds, and told to the agents it is about.

The collector has no access to the API, so that nobody who writes to it can write there through it. While it does not
answer, what it said last stands.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import AGENTS, Key
from regent_operator.plan.collector import FINDINGS_PATH, STATUS_PORT
from regent_operator.plan.observation import LogFinding

log = logging.getLogger(__name__)
POLL_SECONDS = 5.0
ANSWER_SECONDS = 2.0

_Word = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class _Found(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    namespace: _Word
    agent: _Word
    pod: _Word
    code: _Word


class _Findings(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    findings: Annotated[list[_Found], Field(max_length=1024)]


class LogFindings:
    """`changed` is called with each agent of which something else is found than before."""

    def __init__(self, client: ApiClient, collector_url: str | None, changed: Callable[[Key], None]) -> None:
        host = urlsplit(collector_url or "").hostname
        self._url = f"http://{host}:{STATUS_PORT}{FINDINGS_PATH}" if host else None
        self._client = client
        self._changed = changed
        self._found: dict[Key, tuple[LogFinding, ...]] = {}
        self.silent = False
        """Whether there is a collector that does not answer."""

    def of(self, agent: Key) -> tuple[LogFinding, ...]:
        return self._found.get(agent, ())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Ask once, where there is a collector. Never raises for what it answers."""
        if self._url is None:
            return
        try:
            said = _Findings.model_validate(await self._client.told_by(self._url, ANSWER_SECONDS, "findings"))
        except (ApiError, ValidationError) as error:
            if not self.silent:
                log.warning("the audit collector does not say what it found: %s", type(error).__name__)
            self.silent = True
            return
        self.silent = False
        before, self._found = self._found, _by_agent(said)
        for agent in sorted(before.keys() | self._found.keys()):
            if before.get(agent) != self._found.get(agent):
                self._changed(agent)


def _by_agent(said: _Findings) -> dict[Key, tuple[LogFinding, ...]]:
    found: dict[Key, tuple[LogFinding, ...]] = {}
    for each in said.findings:
        agent = Key(AGENTS.kind, each.namespace, each.agent)
        found[agent] = (*found.get(agent, ()), LogFinding(each.pod, each.code))
    return found
