"""Conversations of one process. The least recently used go first: a caller's own at its bound, then anybody's."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regent_api.types import Sensitivity
from regent_runtime.state.activity import Activity
from regent_runtime.state.contract import CONVERSATION_SECONDS, Attended, Conversation, Visit

MOST_CONVERSATIONS = 10_000
MOST_OF_AN_OWNER = 1000
"""So that a caller who never continues one pushes out nobody else's."""


@dataclass
class _Kept:
    conversation: Conversation
    expires: float
    pod: str
    """That served its latest turn."""
    seconds: float = CONVERSATION_SECONDS
    """After its last turn."""


class Conversations:
    """The part of State that is about conversations."""

    def __init__(
        self, now: Callable[[], float], *, most: int = MOST_CONVERSATIONS, most_of_an_owner: int = MOST_OF_AN_OWNER
    ) -> None:
        self._now = now
        self._most = most
        self._most_of_an_owner = most_of_an_owner
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._owned: dict[str, OrderedDict[str, None]] = {}
        self._activity = Activity(now)

    def begin(self, conversation: Conversation, visit: Visit) -> int:
        owned = self._owned.setdefault(conversation.owner, OrderedDict())
        if len(owned) >= self._most_of_an_owner:
            self._drop(next(iter(owned)))
        if len(self._kept) >= self._most:
            self._drop(next(iter(self._kept)))
        self._kept[conversation.id] = _Kept(conversation, self._now() + CONVERSATION_SECONDS, visit.pod)
        self._owned.setdefault(conversation.owner, OrderedDict())[conversation.id] = None
        self._activity.visited(conversation.id, visit)
        return self.active(visit.pod)

    def attend(self, id_: str, owner: str, visit: Visit) -> Attended | None:
        found = self.recall(id_, owner)
        if found is None:
            return None
        self._kept[id_].pod = visit.pod
        self._activity.visited(id_, visit)
        return Attended(found, self.active(visit.pod))

    def rest(self, id_: str, owner: str, visit: Visit) -> int:
        if self._of(id_, owner) is not None:
            self._visited_again(id_, visit)
        return self.active(visit.pod)

    def active(self, pod: str, running: Sequence[str] = (), seconds: float = 0.0) -> int:
        for id_ in filter(self.knows, running):
            self._visited_again(id_, Visit(pod, seconds))
        return self._activity.count(pod)

    def knows(self, id_: str) -> bool:
        kept = self._kept.get(id_)
        return kept is not None and kept.expires > self._now()

    def recall(self, id_: str, owner: str) -> Conversation | None:
        kept = self._of(id_, owner)
        if kept is None:
            return None
        self._touch(id_, kept)
        return kept.conversation

    def raise_label(self, id_: str, owner: str, label: Sensitivity) -> Sensitivity | None:
        kept = self._of(id_, owner)
        if kept is None:
            return None
        kept.conversation = kept.conversation.raised(label)
        return kept.conversation.label

    def shorten(self, id_: str, owner: str, seconds: float) -> bool:
        kept = self._of(id_, owner)
        if kept is not None:
            kept.seconds = min(kept.seconds, seconds)
            self._touch(id_, kept)
        return kept is not None

    def forget(self, id_: str, owner: str) -> bool:
        known = self._of(id_, owner) is not None
        if known:
            self._drop(id_)
        return known

    def forget_all(self, owner: str) -> int:
        known = [id_ for id_ in list(self._owned.get(owner, ())) if self._of(id_, owner)]
        for id_ in known:
            self._drop(id_)
        return len(known)

    def _visited_again(self, id_: str, visit: Visit) -> None:
        """Where its latest turn was; a turn of it at another pod cuts nothing short there."""
        kept = self._kept[id_]
        self._touch(id_, kept)
        if kept.pod == visit.pod:
            self._activity.visited(id_, visit)
        else:
            self._activity.goes_on(id_, Visit(kept.pod, visit.seconds))

    def _touch(self, id_: str, kept: _Kept) -> None:
        """It is kept as long as its class says from now on, and the others go before it."""
        kept.expires = self._now() + kept.seconds
        self._kept.move_to_end(id_)
        self._owned[kept.conversation.owner].move_to_end(id_)

    def _of(self, id_: str, owner: str) -> _Kept | None:
        kept = self._kept.get(id_)
        if kept is not None and kept.expires <= self._now():
            self._drop(id_)
            return None
        return kept if kept is not None and kept.conversation.owner == owner else None

    def _drop(self, id_: str) -> None:
        self._activity.ended(id_)
        owner = self._kept.pop(id_).conversation.owner
        owned = self._owned[owner]
        del owned[id_]
        if not owned:
            del self._owned[owner]
