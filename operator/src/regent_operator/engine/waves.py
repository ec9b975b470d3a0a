"""A new version, new keys or another change of the installation rolls the agents in waves, not all at once.

- At most a tenth of the agents (two at least) are in rollout at a time. Their Deployments say who is, so whoever leads
  next goes on where the last leader was.
- Whoever does not finish keeps its place. The others go on with those that are left, so an agent with a trouble of its
  own does not hold them up; when none is left, it is the change that does not work: no further agent gets it.
- Whoever is held back costs nothing while it waits: it is looked at when there is a place for it.
- An edit is never held back, but carries the new program only with a place (heldback.py).
"""

from collections.abc import Callable, Iterable
from typing import Any

from regent_operator.engine.children import Child, ChildKey, Children, Program, program_of
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.resources import DEPLOYMENTS, Key
from regent_operator.plan.observation import DeploymentSeen

Object = dict[str, Any]
SHARE = 10
FEWEST = 2


class Waves:
    """`agents` gives all that there are; `look` has one of them looked at: once for each agent that is called."""

    def __init__(self, children: Children, agents: Callable[[], Iterable[Key]], look: Callable[[Key], None]) -> None:
        self._children = children
        self._agents = agents
        self._look = look
        self._program: Program | None = None
        """Of the installation; None: nobody has asked since this replica leads."""
        self._places = 0
        self._rolling: dict[Key, bytes] = {}
        """Who is in rollout -> hash of the body that its place was given for; empty: it was found so."""
        self._held: dict[Key, None] = {}
        """Who waits for a place, the first first."""
        self._called: set[Key] = set()
        """Who waited, is to be looked at now, and finds a place then."""

    def may_roll(self, key: Key, wanted: Object) -> bool:
        """Whether the Deployment, which is the agent's, may be applied as wanted now; otherwise the agent is called."""
        self._called.discard(key)
        self._follow(program_of(wanted))
        if self._replaces_pods(key, wanted):
            if key not in self._rolling and self._free() <= 0:
                self._held.setdefault(key)
                return False
            self._rolling[key] = wanted_hash(wanted)
        self._held.pop(key, None)
        return True

    def holds_back(self, key: Key) -> bool:
        """Whether the agent waits, and must do so still."""
        child, seen, _ = self._live(key)
        return key in self._held and _can_wait(child, seen)

    def observe(self, key: Key) -> None:
        """Whether the agent is in rollout, as its Deployment says. Not to be asked while a write may be on its way.

        Who was given a place keeps it until all its pods are available, too.
        """
        child, seen, live = self._live(key)
        body = self._rolling.pop(key, b"")
        if self._program is None or child is None or seen is None or not (live == self._program or child.holds(body)):
            return
        rolls = not _is_complete(seen) if body else _is_under_way(seen)
        if rolls:
            self._rolling[key] = body

    def pass_on(self, key: Key) -> None:
        """A look at the agent has ended, whatever came of it: the place that it left or did not take is the next's."""
        self._called.discard(key)
        while self._held and self._free() > 0:
            called = next(iter(self._held))
            del self._held[called]
            self._called.add(called)
            self._look(called)

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._rolling.pop(key, None)
        self._held.pop(key, None)
        self.pass_on(key)

    def forget_all(self) -> None:
        """Another replica led meanwhile."""
        self._program = None
        self._rolling.clear()
        self._held.clear()
        self._called.clear()

    def _follow(self, program: Program | None) -> None:
        """It is the same for all agents: another one begins a wave, or this replica has begun to lead within one."""
        if program == self._program:
            return
        self._program = program
        self._rolling = {key: body for key, body in self._rolling.items() if body}  # may be on their way
        agents = list(self._agents())
        self._places = max(FEWEST, len(agents) // SHARE)
        for key in agents:
            if key not in self._rolling:
                self.observe(key)

    def _replaces_pods(self, key: Key, wanted: Object) -> bool:
        """An admission webhook may have made another program of what we applied: then the hash tells."""
        child, seen, live = self._live(key)
        if live in {None, self._program} or not _can_wait(child, seen):
            return False
        return child is not None and not child.holds(wanted_hash(wanted))

    def _free(self) -> int:
        return self._places - len(self._rolling) - len(self._called)

    def _live(self, key: Key) -> tuple[Child | None, DeploymentSeen | None, Program | None]:
        where = key.namespace, key.name
        child = self._children.get(ChildKey(DEPLOYMENTS.kind, *where))
        return child, self._children.deployment(*where), self._children.program(*where)


def _can_wait(child: Child | None, seen: DeploymentSeen | None) -> bool:
    """Not where no pod would be replaced, nor where a hand has put something in: that is put right at once."""
    return child is not None and not child.intruded and seen is not None and (seen.replicas, seen.total) != (0, 0)


def _is_complete(seen: DeploymentSeen) -> bool:
    return seen.observed and seen.updated == seen.total == seen.available == seen.replicas


def _is_under_way(seen: DeploymentSeen) -> bool:
    """Whether pods are, or are about to be, replaced. Those that are new and not available have their own trouble."""
    return seen.updated < seen.total or (not seen.observed and seen.replicas > 0)
