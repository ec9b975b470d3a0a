"""Events of alerts: pods have no access to the API, so what they count in /statusz becomes an Event here.

An Event names alert and policy and no record: who may read Events need not be who may read the audit log. The first
figures of a pod are where counting begins, not news, unless the pod says that the match was a moment ago: another
operator may have watched it before, or nobody.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from regent_operator.engine.events import Occurrence
from regent_operator.engine.pods import Pod
from regent_operator.engine.resources import Key
from regent_operator.plan.echo import AlertFigures, Echo

RECENT_SECONDS = 60.0


_NONE = AlertFigures("", "")


class AlertEvents:
    """`uid_of` gives an agent's uid, or None when it is gone; `now` is Unix time."""

    def __init__(
        self,
        record: Callable[[Occurrence], None],
        uid_of: Callable[[Key], str | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._record = record
        self._uid_of = uid_of
        self._now = now
        self._last: dict[str, dict[tuple[str, str], AlertFigures]] = {}

    def heard(self, pod: Pod, echo: Echo) -> None:
        """What a pod has just answered."""
        uid = pod.seen.uid
        known = self._last.get(uid)
        self._last[uid] = {(each.policy, each.name): each for each in echo.alerts}
        agent = self._uid_of(pod.agent)
        if agent is None:
            return
        for name, each in self._last[uid].items():
            before = known.get(name, _NONE) if known is not None else self._first(each)
            if each.fired > before.fired:
                self._tell(pod.agent, agent, "AlertFired", f"the alert {each.name} of policy {each.policy} has matched")
            if each.failed > before.failed:
                words = f"the alert {each.name} of policy {each.policy} could not be evaluated or delivered"
                self._tell(pod.agent, agent, "AlertFailed", f"{words}; the pods' log says why")

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._last.pop(uid, None)

    def _first(self, figures: AlertFigures) -> AlertFigures:
        """Where counting begins for a pod that was never heard here."""
        recent = figures.fired_at is not None and abs(self._now() - figures.fired_at) < RECENT_SECONDS
        return replace(_NONE, failed=figures.failed) if recent else figures

    def _tell(self, agent: Key, uid: str, reason: str, note: str) -> None:
        self._record(Occurrence(agent, uid, "Warning", reason, "Audit", note))
