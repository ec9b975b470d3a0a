"""A new version of the operator or of the runtime rolls the agents in waves, not all at once.

At most a tenth of the agents (two at least) are replaced at a time. Whoever cannot finish keeps its place: a version
that does not start stops at the first wave, and every other agent goes on with the old one.
"""

from collections.abc import Callable
from typing import Any

from regent_operator.engine.children import Child, image_of
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import Key
from regent_operator.plan.observation import CredentialPair, DeploymentSeen

Object = dict[str, Any]
SHARE = 10
FEWEST = 2


class Waves:
    """`agents` gives how many there are."""

    def __init__(self, agents: Callable[[], int]) -> None:
        self._agents = agents
        self._rolling: set[Key] = set()

    def may_roll(self, key: Key, wanted: Object, child: Child | None, image: str | None) -> bool:
        """Whether the Deployment may be applied now, although that replaces the pods of an agent nobody has edited.

        It need not wait where the image stays, and where a hand has put something in: that is put right at once.
        """
        if child is None or image in {None, image_of(wanted)} or child.intruded or child.holds(wanted_hash(wanted)):
            return True
        if key in self._rolling:
            return True
        if len(self._rolling) >= max(FEWEST, self._agents() // SHARE):
            return False
        self._rolling.add(key)
        return True

    def observe(self, key: Key, seen: DeploymentSeen | None) -> None:
        """The place of an agent is free once all its pods are new; one that is found in the middle takes a place."""
        if seen is None or _is_complete(seen):
            self._rolling.discard(key)
        elif seen.updated < seen.total:
            self._rolling.add(key)

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._rolling.discard(key)


def is_edited(wanted: Object, credentials: frozenset[CredentialPair], seen: DeploymentSeen | None) -> bool:
    """Whether somebody's edit asks for other replicas or credentials than the live Deployment has."""
    return seen is not None and (seen.replicas != wanted["spec"]["replicas"] or seen.credentials != credentials)


def _is_complete(seen: DeploymentSeen) -> bool:
    return seen.observed and seen.updated == seen.total == seen.available == seen.replicas
