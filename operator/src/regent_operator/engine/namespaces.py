"""The namespaces: their labels, by which a floor policy may select, and whether they are on their way out."""

from collections.abc import Callable, Mapping
from typing import Any

from regent_operator.engine.resources import Resource

Object = dict[str, Any]


class Namespaces:
    """Observer of the namespaces. `changed` is called with the name of one that has other labels now, or ends."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._labels: dict[str, Mapping[str, str]] = {}
        self._ending: set[str] = set()

    def labels(self, namespace: str) -> Mapping[str, str] | None:
        """None: not known (yet), which is not the same as having none."""
        return self._labels.get(namespace)

    def ends(self, namespace: str) -> bool:
        """Whether it is being deleted: nothing can be made in it any more, and what is there goes by itself."""
        return namespace in self._ending

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        del resource, full
        name, labels = obj["metadata"]["name"], obj["metadata"].get("labels") or {}
        ends = "deletionTimestamp" in obj["metadata"]
        if self._labels.get(name) != labels or ends != (name in self._ending):
            self._labels[name] = labels
            (self._ending.add if ends else self._ending.discard)(name)
            self._changed(name)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del resource, namespace, uid
        self._labels.pop(name, None)
        self._ending.discard(name)
