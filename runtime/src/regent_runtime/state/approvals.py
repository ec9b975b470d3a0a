"""Approvals of one process: decided once, used once, gone at their expiry."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from regent_runtime.state.contract import (
    MOST_APPROVALS_OF_AN_OWNER,
    Approval,
    OwnerFull,
    StateFull,
    Verdict,
    check_content,
)

MOST_APPROVALS = 256
"""That wait or wait to be used; with their content 16 MiB at the most."""


@dataclass
class _Kept:
    approval: Approval
    expires: float


class Approvals:
    """The part of State that is about approvals."""

    def __init__(self, now: Callable[[], float], *, most: int = MOST_APPROVALS) -> None:
        self._now = now
        self._most = most
        self._kept: dict[str, _Kept] = {}
        self._of: Counter[str] = Counter()
        """How many each owner has."""

    def propose(self, approval: Approval, seconds: float) -> Approval:
        check_content(approval)
        self._end_expired()
        if self._of[approval.owner] >= MOST_APPROVALS_OF_AN_OWNER:
            raise OwnerFull
        if len(self._kept) >= self._most:
            raise StateFull
        kept = _Kept(replace(approval, verdict=Verdict.PENDING, decided_by=""), self._now() + seconds)
        self._kept[approval.id] = kept
        self._of[approval.owner] += 1
        return self._seen(kept)

    def approval(self, id_: str) -> Approval | None:
        self._end_expired()
        kept = self._kept.get(id_)
        return self._seen(kept) if kept else None

    def decide(self, id_: str, verdict: Verdict, by: str) -> Approval | None:
        self._end_expired()
        kept = self._kept.get(id_)
        if kept is None:
            return None
        if kept.approval.verdict is Verdict.PENDING:
            kept.approval = replace(kept.approval, verdict=verdict, decided_by=by)
        return self._seen(kept)

    def consume(self, id_: str, binding: str) -> bool:
        self._end_expired()
        kept = self._kept.get(id_)
        usable = kept is not None and kept.approval.verdict is Verdict.APPROVED and kept.approval.binding == binding
        if usable:
            self._drop(id_)
        return usable

    def discard(self, owner: str) -> int:
        self._end_expired()
        owned = [id_ for id_, kept in self._kept.items() if kept.approval.owner == owner]
        for id_ in owned:
            self._drop(id_)
        return len(owned)

    def _seen(self, kept: _Kept) -> Approval:
        return replace(kept.approval, seconds_left=kept.expires - self._now())

    def _end_expired(self) -> None:
        now = self._now()
        for id_ in [id_ for id_, kept in self._kept.items() if kept.expires <= now]:
            self._drop(id_)

    def _drop(self, id_: str) -> None:
        self._of -= Counter([self._kept.pop(id_).approval.owner])
