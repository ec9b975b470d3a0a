"""A new version, new keys or another change of the installation rolls the agents in waves, not all at once.

At most a tenth of the agents (two at least) are replaced at a time. Whoever does not finish within the Deployment's
progress deadline gives its place to the next, so an agent with a trouble of its own does not hold up the others; when
as many as a whole wave have not finished, it is the change that does not work: no further agent gets it.
"""

import time
from collections.abc import Callable
from typing import Any

from regent_operator.engine.children import Child, Program, program_of
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import Key
from regent_operator.plan.observation import CredentialPair, DeploymentSeen

Object = dict[str, Any]
SHARE = 10
FEWEST = 2
PLACE_SECONDS = 600.0
"""As long as the Deployment's progressDeadlineSeconds."""


class Waves:
    """`agents` gives how many there are."""

    def __init__(self, agents: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._agents = agents
        self._clock = clock
        self._rolling: dict[Key, float] = {}
        """Since when, of those that the change was given to and that have not finished."""

    def may_roll(self, key: Key, wanted: Object, child: Child | None, program: Program | None) -> bool:
        """Whether the Deployment may be applied now, although that replaces the pods of an agent nobody has edited.

        `program`: the live one. It need not wait where that stays, and where a hand has put something in: that is put
        right at once.
        """
        if child is None or child.intruded or program in {None, program_of(wanted)}:
            return True
        if child.holds(wanted_hash(wanted)):
            return True
        if key not in self._rolling:
            places = max(FEWEST, self._agents() // SHARE)
            late = sum(self._clock() - since > PLACE_SECONDS for since in self._rolling.values())
            if late >= places or len(self._rolling) - late >= places:
                return False
            self._rolling[key] = self._clock()
        return True

    def observe(self, key: Key, seen: DeploymentSeen | None, *, new: bool) -> None:
        """The place of an agent is free once all its pods are new; one that is found in the middle takes a place.

        `new`: the live template runs what is wanted. A rollout of the old one is the agent's own affair.
        """
        if seen is None or (new and _is_complete(seen)):
            self._rolling.pop(key, None)
        elif new and seen.updated < seen.total:
            self._rolling.setdefault(key, self._clock())

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._rolling.pop(key, None)

    def forget_all(self) -> None:
        """Another replica led meanwhile: who is in the middle will be found so."""
        self._rolling.clear()


def is_edited(wanted: Object, credentials: frozenset[CredentialPair], seen: DeploymentSeen | None) -> bool:
    """Whether somebody's edit asks for other replicas or credentials than the live Deployment has."""
    return seen is not None and (
        seen.replicas != wanted["spec"].get("replicas", seen.replicas) or seen.credentials != credentials
    )


def _is_complete(seen: DeploymentSeen) -> bool:
    return seen.observed and seen.updated == seen.total == seen.available == seen.replicas
