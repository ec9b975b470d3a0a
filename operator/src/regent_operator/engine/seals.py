"""Gives each config its seal: the one that it has, where it has a good one, and otherwise a new one.

Sequence numbers need no place of their own. A new one is greater than that of the seal in the ConfigMap, than each that
we made, than each that a pod says it accepted, and no less than the milliseconds since 1970. So it grows over restarts,
changes of the leader and ConfigMaps that were deleted or put back by hand; and while a config stays as it is, nothing
is written.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from sys import intern

from pydantic import ValidationError

from regent_api.objects import AIAgent
from regent_api.seal import Seal, document_digest
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import ApiClient
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import AGENTS, CONFIG_MAPS, Key
from regent_operator.signing import Signer

DAY_MILLISECONDS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Made:
    uid: str
    sequence: int
    text: str
    """The seal's JSON: the whole of it, in a tenth of its memory."""

    @property
    def seal(self) -> Seal:
        return Seal.model_validate_json(self.text)


class Sealer:
    """`clock` gives seconds since 1970."""

    def __init__(
        self, client: ApiClient, children: Children, pods: Pods, signer: Signer, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._children = children
        self._pods = pods
        self._signer = signer
        self._clock = clock
        self._made: dict[Key, _Made] = {}

    async def seal(self, agent: AIAgent, text: str | None) -> str | None:
        """The seal's JSON for the ConfigMap of a document; None for none. Raises ApiError."""
        if text is None:
            return None
        key, uid = Key(AGENTS.kind, agent.metadata.namespace, agent.metadata.name), agent.metadata.uid
        digest = document_digest(text.encode())
        known = [seal for seal in (self._last_made(key, uid), await self._live(key, uid)) if seal is not None]
        newest = max((*(seal.sequence for seal in known), *self._accepted(key)), default=0)
        good = next((seal for seal in known if seal.digest == digest and seal.sequence >= newest), None)
        if good is None:
            good = self._signer.seal(uid, max(newest + 1, self._now()), digest)
        words = json.dumps(good.wire(), sort_keys=True, separators=(",", ":"))
        made = self._made[key] = _Made(uid, good.sequence, intern(words))
        return made.text

    def stands(self, agent: Key) -> bool:
        """Whether no pod has accepted a newer seal than the one that the agent has from us."""
        made = self._made.get(agent)
        return made is not None and made.sequence >= max(self._accepted(agent), default=0)

    def forget(self, agent: Key) -> None:
        """The agent is gone."""
        self._made.pop(agent, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile, and may have sealed newer configs."""
        self._made.clear()

    def _last_made(self, key: Key, uid: str) -> Seal | None:
        made = self._made.get(key)
        return made.seal if made is not None and made.uid == uid else None

    async def _live(self, key: Key, uid: str) -> Seal | None:
        """Of the live ConfigMap, if it is ours in all that it says: what a hand wrote counts for nothing."""
        where = ChildKey(CONFIG_MAPS.kind, key.namespace, key.name)
        child = self._children.get(where)
        if child is None or child.owner != uid:
            return None
        if not self._children.seal_is_known(where):
            live = await self._children.answer(where, self._client.get(CONFIG_MAPS, key.namespace, key.name))
            if live is None:
                return None
            self._children.read(CONFIG_MAPS, live)
        text, made = self._children.seal(where) or "", self._made.get(key)
        if made is not None and (made.uid, made.text) == (uid, text):
            return made.seal
        try:
            found = Seal.model_validate_json(text)
        except ValidationError:
            return None
        return found if found == self._signer.seal(uid, found.sequence, found.digest) else None

    def _accepted(self, key: Key) -> list[int]:
        """By pods. One of the far future is a forgery that would use the numbers up."""
        echoes = (pod.seen.echo for pod in self._pods.of(key))
        said = (echo.config_sequence for echo in echoes if echo is not None and echo.config_sequence is not None)
        return [number for number in said if number <= self._now() + DAY_MILLISECONDS]

    def _now(self) -> int:
        return int(self._clock() * 1000)
