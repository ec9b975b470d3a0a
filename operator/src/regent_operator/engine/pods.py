"""The pods of our agents: what the API server says of them, and what they said of themselves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from sys import intern
from typing import Any

from regent_operator.engine.resources import AGENTS, Key, Resource, version_of, where_is
from regent_operator.plan.child import AGENT_LABEL
from regent_operator.plan.deletioncost import cost_of
from regent_operator.plan.echo import Echo
from regent_operator.plan.observation import PodSeen, pod_seen
from regent_operator.plan.trial import Trial

Object = dict[str, Any]
TOUCHED = "regent.dev/config-digest"
MISSES = 3
REPLICA_SET = ("apps/v1", "ReplicaSet")


@dataclass(frozen=True, slots=True)
class Pod:
    seen: PodSeen
    agent: Key
    address: str
    """Empty until the pod has one."""
    version: int
    mark: str = ""
    """Of the config that the pod was last touched for."""
    met: bool = False
    """Whether it was ever asked what it holds."""
    cost: int = 0
    """Of its deletion, as the pod bears it."""
    controlled: bool = False
    """By a ReplicaSet. What else bears the label serves too, but is not asked: its word would prove nothing."""


class Pods:
    """Observer of the pods.

    `moved` is called with the agent when a pod changed in what counts, `heard` when an echo did, `counted` when only
    its figure of conversations did; `answered` with every echo of a pod that is believed, `ended` with the uid of one
    that is gone.
    """

    def __init__(
        self,
        moved: Callable[[Key], None],
        heard: Callable[[Key], None],
        answered: Callable[[Pod, Echo], None] = lambda _pod, _echo: None,
        counted: Callable[[Key], None] = lambda _agent: None,
        ended: Callable[[str], None] = lambda _uid: None,
    ) -> None:
        self._touch = moved
        self._heard = heard
        self._answered = answered
        self._counted = counted
        self._ended = ended
        self._pods: dict[str, Pod] = {}
        self._of_agent: dict[Key, tuple[str, ...]] = {}
        self._echoes: dict[str, Echo] = {}
        self._misses: dict[str, int] = {}
        self._trials: dict[str, Trial] = {}
        self._met: set[str] = set()
        self._whole: dict[str, Pod] = {}
        """With their echoes, until something of them changes: each look at an agent asks for its pods several times."""

    def __len__(self) -> int:
        return len(self._pods)

    def of(self, agent: Key) -> list[Pod]:
        """By name, each with its last echo."""
        return sorted((self._with_echo(uid) for uid in self._of_agent.get(agent, ())), key=lambda pod: pod.seen.name)

    def get(self, uid: str) -> Pod | None:
        return self._pods.get(uid)

    def meet(self, uid: str) -> None:
        """The pod is being asked."""
        self._met.add(uid)
        self._whole.pop(uid, None)

    def forget_echoes(self) -> None:
        """Another replica led meanwhile: what pods said before that is old, and they are asked again."""
        self._echoes.clear()
        self._misses.clear()
        self._trials.clear()
        self._met.clear()
        self._whole.clear()

    def echoed(self, uid: str, echo: Echo, *, awaited: bool = False) -> None:
        """What the pod answered. `awaited`: whoever looks at its agent waits for it, and need not be told."""
        pod = self._pods.get(uid)
        if pod is None:
            return
        self._misses.pop(uid, None)
        if pod.controlled:
            self._answered(pod, echo)
        before, self._echoes[uid] = self._echoes.get(uid), echo
        self._whole.pop(uid, None)
        if awaited:
            return
        if before != echo:
            self._heard(pod.agent)
        elif before is not None and before.active_conversations != echo.active_conversations:
            self._counted(pod.agent)

    def tried(self, uid: str, trial: Trial) -> None:
        """What a forbidden connection of the pod came to."""
        pod = self._pods.get(uid)
        if pod is None:
            return
        before, self._trials[uid] = self._trials.get(uid), trial
        self._whole.pop(uid, None)
        if before != trial:
            self._heard(pod.agent)

    def silent(self, uid: str) -> None:
        """The pod gave no answer of its own. Its last one counts until the third time: one lost packet is no news."""
        pod = self._pods.get(uid)
        if pod is None or self.is_silent(uid):
            return
        self._misses[uid] = self._misses.get(uid, 0) + 1
        if self.is_silent(uid) and uid in self._echoes:
            del self._echoes[uid]
            self._whole.pop(uid, None)
            self._heard(pod.agent)

    def is_silent(self, uid: str) -> bool:
        """Whether it was asked so often without an answer that it counts as having said nothing."""
        return self._misses.get(uid, 0) >= MISSES

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        if not full:
            raise ValueError(f"{resource.plural} are watched whole: readiness and addresses stand in the status")
        meta = obj["metadata"]
        namespace, _ = where_is(meta)
        agent = Key(AGENTS.kind, namespace, intern((meta.get("labels") or {}).get(AGENT_LABEL, "")))
        status = obj.get("status") or {}
        notes = meta.get("annotations") or {}
        pod = Pod(
            seen=pod_seen(obj),
            agent=agent,
            address=status.get("podIP", ""),
            version=version_of(obj),
            mark=notes.get(TOUCHED, ""),
            cost=cost_of(notes),
            controlled=_is_controlled(meta),
        )
        before = self._pods.get(meta["uid"])
        if before and before.version >= pod.version:
            return
        if before and before.agent != agent:
            self._leave(before.agent, meta["uid"])
            self._touch(before.agent)
        self._pods[meta["uid"]] = pod
        self._whole.pop(meta["uid"], None)
        members = self._of_agent.get(agent, ())
        if meta["uid"] not in members:
            self._of_agent[agent] = (*members, meta["uid"])
        if before is None or _in_what_counts(before) != _in_what_counts(pod):
            self._touch(agent)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del resource, namespace, name
        pod = self._pods.pop(uid, None)
        self._whole.pop(uid, None)
        self._echoes.pop(uid, None)
        self._misses.pop(uid, None)
        self._trials.pop(uid, None)
        self._met.discard(uid)
        self._ended(uid)
        if pod is not None:
            self._leave(pod.agent, uid)
            self._touch(pod.agent)

    def _with_echo(self, uid: str) -> Pod:
        whole = self._whole.get(uid)
        if whole is None:
            pod = self._pods[uid]
            echo = self._echoes.get(uid) if pod.controlled else None
            seen = replace(pod.seen.with_echo(echo), trial=self._trials.get(uid) if pod.controlled else None)
            whole = self._whole[uid] = replace(pod, seen=seen, met=uid in self._met)
        return whole

    def _leave(self, agent: Key, uid: str) -> None:
        members = tuple(member for member in self._of_agent.pop(agent) if member != uid)
        if members:
            self._of_agent[agent] = members


def _is_controlled(meta: Object) -> bool:
    owners = meta.get("ownerReferences") or []
    return any(o.get("controller") and (o.get("apiVersion"), o.get("kind")) == REPLICA_SET for o in owners)


def _in_what_counts(pod: Pod) -> tuple[Key, PodSeen, str, bool]:
    return pod.agent, pod.seen, pod.address, pod.controlled
