"""Writes status: one patch, only when something differs; counts of agents and pods, and how an agent's pods come up,
every few seconds at most; what an agent has spent and how many conversations it has once a minute.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from regent_api.agent import EffectiveField
from regent_api.model import Model
from regent_api.status import ConditionStatus, ConditionType
from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.packed import EFFECTIVE, PackedStatus, Text
from regent_operator.engine.patch import merge_patch
from regent_operator.engine.resources import BY_KIND, Key
from regent_operator.engine.store import Store, Stored
from regent_operator.plan.remembered import Remembered

S = TypeVar("S", bound=Model)
Object = dict[str, Any]
FIGURES = frozenset({"agents", "enforced", "providers"})
FIGURES_SECONDS = 5.0
"""A floor policy counts the pods of every agent: it must not be written as often as any of them moves."""
PROGRESS = frozenset({"replicas", "enforced"})
COMES_ABOUT = frozenset(
    {
        ConditionType.READY,
        ConditionType.RECONCILING,
        ConditionType.POLICY_ENFORCED,
        ConditionType.WORKLOAD_AVAILABLE,
        ConditionType.NETWORK_RESTRICTED,
    }
)
"""What is told of pods that come up."""
MINUTELY = frozenset({"spend", "conversations"})
MINUTE_SECONDS = 60.0
"""Figures of an agent come and go with every turn."""
MOST_READ = 16
"""Statuses that were read last; those of the workers' agents."""


class StatusWriter:
    def __init__(
        self,
        client: ApiClient,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._now = now
        self._written_at: dict[Key, float] = {}

    def now(self) -> str:
        """RFC 3339, whole seconds."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def write(self, key: Key, stored: Stored, status: Model, *, patient: bool = False) -> float | None:
        """Make the live status equal to `status`. Raises ApiError for transport only.

        With `patient`, a change of figures alone waits until so long after the last write (of an agent's always, and
        so does progress): the seconds still to wait are returned. An object that is gone or replaced is left alone.
        """
        live, wanted = stored.status.rest, status.wire()
        patch = _patch(stored.status, live, wanted)
        if not patch:
            return None
        pause = self._pause(live, patch, patient=patient)
        wait = self._written_at.get(key, float("-inf")) + pause - self._clock()
        if pause and wait > 0:
            return wait
        try:
            answer = await self._client.merge(
                BY_KIND[key.kind],
                key.namespace,
                key.name,
                {"metadata": {"uid": stored.metadata.uid}, "status": patch},
                subresource="status",
            )
        except ApiError as error:
            if error.not_found or (error.status == 409 and self._replaced(key, stored)):
                return None
            raise
        self._written_at[key] = self._clock()
        self._store.seen(BY_KIND[key.kind], answer, meant=wanted)
        return None

    def forget(self, key: Key) -> None:
        self._written_at.pop(key, None)

    @staticmethod
    def _pause(live: Object, patch: Object, *, patient: bool) -> float:
        """Seconds since the last write before which this one is none."""
        if not set(patch) - MINUTELY:
            return MINUTE_SECONDS
        few = (patient and _only_figures(live, patch)) or _only_progress(live, patch)
        return FIGURES_SECONDS if few else 0.0

    def _replaced(self, key: Key, stored: Stored) -> bool:
        now = self._store.get(key)
        return now is None or now.metadata.uid != stored.metadata.uid


def read_status(stored: Stored, model: type[S]) -> S | None:
    """The live status; None where there is none, or where another's hand made it unreadable."""
    return cast("S | None", _read(stored.status, model))


@lru_cache(maxsize=MOST_READ)
def _read(status: PackedStatus, model: type[Model]) -> Model | None:
    """One look asks several times, and the next one mostly finds the same."""
    try:
        own = model.model_validate_json(status.rest_text)
        return own if status.effective is None else own.model_copy(update={EFFECTIVE: _fields_of(status.effective)})
    except ValidationError:
        return None


def _fields_of(effective: Text) -> list[EffectiveField]:
    """One for all agents under the same policies: it would be most of what a status costs to read."""
    return _fields.of(effective, make=lambda: _FIELDS.validate_json(effective.text))


_fields: Remembered[list[EffectiveField]] = Remembered()
_FIELDS = TypeAdapter(list[EffectiveField])


def _patch(status: PackedStatus, live: Object, wanted: Object) -> Object:
    """The merge patch from a status, `live` without its `effective`; that is compared as it is kept."""
    rest, effective = {**wanted}, wanted.get(EFFECTIVE)
    rest.pop(EFFECTIVE, None)
    patch = merge_patch(live, rest)
    return patch if status.has_effective(effective) else patch | {EFFECTIVE: effective}


def _only_figures(live: Object, patch: Object) -> bool:
    """Whether nothing but counts, and the words of conditions that bear counts, differ."""
    if set(patch) - FIGURES - {"conditions"}:
        return False
    if "conditions" not in patch:
        return True
    return bool(_without_words(live.get("conditions")) == _without_words(patch["conditions"]))


def _only_progress(live: Object, patch: Object) -> bool:
    """Whether an agent that was told as on its way to Ready still is, and all that is new is that its pods come up."""
    if set(patch) - PROGRESS - MINUTELY - {"conditions"}:
        return False
    old, new = _by_type(live.get("conditions")), _by_type(patch.get("conditions", live.get("conditions")))
    if ConditionType.RECONCILING not in old or old.keys() != new.keys() or _holds(new[ConditionType.READY]):
        return False
    return all(new[kind] == was or (kind in COMES_ABOUT and _comes(was, new[kind])) for kind, was in old.items())


def _comes(was: Object, now: Object) -> bool:
    """True now, or as it was but for the words."""
    return (_holds(now) and not _holds(was)) or (now["status"], now["reason"]) == (was["status"], was["reason"])


def _by_type(conditions: Any) -> dict[str, Object]:
    return {condition["type"]: condition for condition in conditions or []}


def _holds(condition: Object) -> bool:
    return bool(condition["status"] == ConditionStatus.TRUE)


def _without_words(conditions: Any) -> Any:
    return [{name: value for name, value in condition.items() if name != "message"} for condition in conditions or []]
