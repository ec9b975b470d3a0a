"""The pods of agents that can be asked for a figure: watched, so that a question of an autoscaler costs no list."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from regent_operator.engine.client import ApiClient
from regent_operator.engine.reflector import Collection, Reflector
from regent_operator.engine.resources import POD_LABEL, PODS, Resource, version_of
from regent_operator.plan.child import AGENT_LABEL

Object = dict[str, Any]


@dataclass(frozen=True)
class AskablePod:
    namespace: str
    name: str
    uid: str
    address: str
    """Empty until the pod has one."""
    serves: bool
    """Whether it may have conversations, so that a sum without its figure would be too small."""
    version: int


class AgentPods:
    """Observer of pods that bear an agent's label."""

    def __init__(self) -> None:
        self._pods: dict[str, AskablePod] = {}
        self._of_agent: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._agents: dict[str, tuple[str, str]] = {}

    def of(self, namespace: str, agent: str) -> list[AskablePod]:
        """Those that have not ended, by name."""
        found = (self._pods[uid] for uid in self._of_agent.get((namespace, agent), ()))
        return sorted(found, key=lambda pod: pod.name)

    def named(self, namespace: str, name: str) -> list[AskablePod]:
        """The pod of this name, or none."""
        return [pod for pod in self._pods.values() if (pod.namespace, pod.name) == (namespace, name)]

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        if not full:
            raise ValueError(f"{resource.plural} are watched whole: addresses stand in the status")
        meta, status = obj["metadata"], obj.get("status") or {}
        before = self._pods.get(meta["uid"])
        if before and before.version >= version_of(obj):
            return
        self._forget(meta["uid"])
        if status.get("phase") in {"Succeeded", "Failed"}:
            return
        agent = meta["namespace"], (meta.get("labels") or {}).get(AGENT_LABEL, "")
        self._pods[meta["uid"]] = AskablePod(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            address=status.get("podIP", ""),
            serves=_serves(obj),
            version=version_of(obj),
        )
        self._agents[meta["uid"]] = agent
        self._of_agent[agent].add(meta["uid"])

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del resource, namespace, name
        self._forget(uid)

    def _forget(self, uid: str) -> None:
        if self._pods.pop(uid, None) is None:
            return
        agent = self._agents.pop(uid)
        self._of_agent[agent].discard(uid)
        if not self._of_agent[agent]:
            del self._of_agent[agent]


def _serves(pod: Object) -> bool:
    """Ready, or too busy for its probe: its kubelet tells of a container that has started and is not ready.

    Where a whole node is silent, the control plane takes Ready away and leaves of the containers what was told last
    (`MarkPodsNotReady`): what such a pod had is no longer there, and the others are scaled without it.
    """
    status = pod.get("status") or {}
    if any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or []):
        return True
    containers = status.get("containerStatuses") or []
    busy = any(each.get("started") and not each.get("ready") for each in containers)
    return busy and "deletionTimestamp" not in pod["metadata"]


def watching(client: ApiClient, namespaces: Iterable[str | None], pods: AgentPods) -> list[Reflector]:
    """What keeps `pods` up to date while it runs, one for each namespace; None: all of them."""
    return [Reflector(client, Collection(PODS, namespace, labels=POD_LABEL), pods) for namespace in namespaces]


def unlisted(reflectors: Iterable[Reflector]) -> str:
    """Which pods are not known yet, in words; empty: all are."""
    unlisted = (f"{each.collection} has not been listed" for each in reflectors if not each.synced.is_set())
    return next(unlisted, "")
