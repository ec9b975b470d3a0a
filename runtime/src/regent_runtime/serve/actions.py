"""What callers do beside turns: an approver looks or decides, an owner deletes. Each leaves records in the audit log.

The intent is on disk before an action takes effect and the outcome before it is answered; one that is refused leaves a
record, too. What cannot be written down does not happen where `audit.onFailure` is Deny.
"""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from regent_runtime.audit.audit import Audit
from regent_runtime.config import Snapshot
from regent_runtime.dialect.chat_completions.error import error_body
from regent_runtime.lifecycle import CallerGone, Lifecycle
from regent_runtime.record import CALLER_GONE, FAILED, REFUSED, TurnRecord
from regent_runtime.refusals import INTERNAL_ERROR, Refused
from regent_runtime.serve.errors import error_headers
from regent_runtime.serve.http import Header
from regent_runtime.telemetry import log
from regent_runtime.turn import introduce


@dataclass(frozen=True)
class Answer:
    """`refused`: whether the request may still have a body that nobody has read."""

    status: int
    body: bytes
    headers: list[Header]
    refused: bool = False


class Action:
    """One: `snapshot` is the config that it runs under. Raises Refused (503) where there is none."""

    def __init__(self, name: str, lifecycle: Lifecycle, audit: Audit, record: TurnRecord) -> None:
        record.action = name
        self.record = record
        self.snapshot: Snapshot = lifecycle.admit()
        introduce(self.snapshot, record)
        self._audit = audit

    def takes_effect(self) -> AbstractAsyncContextManager[None]:
        """While open. Raises Refused (503)."""
        return self._audit.acting(self.snapshot.config, self.record)


Work = Callable[[Action], Coroutine[Any, Any, dict[str, Any]]]


class Actions:
    """`ended` is told of every action, whatever its outcome."""

    def __init__(self, lifecycle: Lifecycle, audit: Audit, ended: Callable[[TurnRecord], None]) -> None:
        self._lifecycle = lifecycle
        self._audit = audit
        self._ended = ended

    async def run(self, name: str, work: Work) -> Answer | None:
        """The work's document, or its refusal; None: nobody is left to answer."""
        record = TurnRecord()
        try:
            action = Action(name, self._lifecycle, self._audit, record)
            with self._lifecycle.holding(action.snapshot):
                document = await work(action)
        except CallerGone:
            record.outcome = CALLER_GONE
            return None
        except Refused as refused:
            return _refused(record, refused)
        except Exception as error:  # noqa: BLE001 - the one place where a fault of ours becomes a 500
            log.write("fault", action=name, exception=type(error).__name__, at=log.place(error))
            return _refused(record, Refused(INTERNAL_ERROR, "A fault of the runtime."))
        else:
            return Answer(200, msgspec.json.encode(document), [(b"cache-control", b"no-store")])
        finally:
            self._ended(record)


def _refused(record: TurnRecord, refused: Refused) -> Answer:
    record.refused(refused)
    record.outcome = FAILED if refused.refusal.status >= 500 else REFUSED
    return Answer(refused.refusal.status, error_body(refused), error_headers(refused), refused=True)
