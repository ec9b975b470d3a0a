"""Reconcile one key: gather, plan, apply, observe, tell. The only place where I/O is sequenced.

When there is nothing to do, nothing is written. Only errors of transport are raised (ApiError, NotLeadingError); what a
user can put right becomes a condition and waits for an event.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from regent_api.agent import AIAgentStatus
from regent_api.config import AgentConfig
from regent_api.objects import AIAgent, Invalid
from regent_api.policy import AgentPolicyStatus
from regent_api.route import ModelRouteStatus
from regent_operator.engine.apply import Applier, Outcome
from regent_operator.engine.autoscalers import Autoscalers
from regent_operator.engine.children import ChildKey, Children
from regent_operator.engine.client import ApiClient
from regent_operator.engine.deletioncosts import DeletionCosts
from regent_operator.engine.echo import EchoRounds
from regent_operator.engine.errors import ApiError
from regent_operator.engine.facts import ClusterFacts
from regent_operator.engine.gather import Gatherer
from regent_operator.engine.heldback import HeldBack
from regent_operator.engine.narrate import Narrator
from regent_operator.engine.ownership import wanted_hash
from regent_operator.engine.plans import Applied, Plans, Shape, applied
from regent_operator.engine.pods import Pods
from regent_operator.engine.resources import (
    AGENTS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    POLICIES,
    UNWATCHED,
    Key,
)
from regent_operator.engine.seals import Sealer
from regent_operator.engine.statuses import StatusWriter, read_status
from regent_operator.engine.store import Store, Stored
from regent_operator.engine.touches import Touches
from regent_operator.engine.waves import Waves
from regent_operator.plan import networkpolicy
from regent_operator.plan.agent import AgentPlan, plan_agent
from regent_operator.plan.children import autoscaled, children, replicas, settled
from regent_operator.plan.observation import LogFinding, Observation
from regent_operator.plan.scaling import silent_in
from regent_operator.plan.status import (
    agent_figures,
    agent_status,
    invalid_agent_status,
    policy_status,
    route_status,
)

Object = dict[str, Any]
OVERDUE_SECONDS = 60.0
CONFLICT_SECONDS = 60.0
WAIT_SECONDS = 1.0
FIRST_LOOK_SECONDS = 20.0
"""Of an autoscaler's controller at a new one: it looks every 15."""


@dataclass(frozen=True)
class Again:
    """When to look at the key again although nothing has happened; None: at the resync."""

    after: float | None = None

    def or_sooner(self, after: float | None) -> "Again":
        if after is None:
            return self
        return Again(after if self.after is None else min(self.after, after))


UNHEARD = Again(0.5)
"""One that began to lead has not been answered yet by a pod of an agent whose status is told: what the last leader was
answered stands until that is three times so. An agent that was edited meanwhile never waits.
"""


class Reconciler:
    def __init__(
        self,
        client: ApiClient,
        store: Store,
        children_known: Children,
        pods: Pods,
        facts: ClusterFacts,
        gatherer: Gatherer,
        echoes: EchoRounds,
        autoscalers: Autoscalers,
        sealer: Sealer,
        statuses: StatusWriter,
        narrator: Narrator,
        log_findings: Callable[[Key], tuple[LogFinding, ...]],
        urgent_beside: Callable[[Key], bool],
        walls_changed: Callable[[Key], None],
        look: Callable[[Key], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._store = store
        self._children = children_known
        self._pods = pods
        self._facts = facts
        self._gatherer = gatherer
        self._echoes = echoes
        self._autoscalers = autoscalers
        self._sealer = sealer
        self._statuses = statuses
        self._narrator = narrator
        self._log_findings = log_findings
        self._urgent_beside = urgent_beside
        self._walls_changed = walls_changed
        self._clock = clock
        self._applier = Applier(client, children_known)
        self._touches = Touches(client, children_known, pods, clock)
        self._costs = DeletionCosts(client, pods, clock)
        self._plans = Plans()
        self._config_since: dict[Key, tuple[str, float]] = {}
        self._let_through: dict[Key, Object] = {}
        self._met: set[Key] = set()
        self._waves = Waves(children_known, store.agents, look)
        self._held_back = HeldBack(children_known, gatherer, self._waves)

    async def reconcile(self, key: Key) -> Again:
        stored = self._store.get(key)
        if stored is None:
            self.forget(key)
            return Again()
        if key.kind != AGENTS.kind:
            return await self._used_object(key, stored) if self._has_met_every_agent() else Again(WAIT_SECONDS)
        again, answered = Again(), False
        try:
            again = await self._agent(key, stored)
            answered = True
        except ApiError as error:
            answered = error.status != 0  # otherwise what was asked for may be on its way
            raise
        finally:
            if answered:
                self._waves.observe(key)
            if again is not UNHEARD:
                self._met.add(key)
            self._waves.pass_on(key)
        return again

    def _has_met_every_agent(self) -> bool:
        """Whether each agent was looked at once: before, a count of users would be one of those met so far."""
        return all(key in self._met for key in self._store.agents())

    async def _used_object(self, key: Key, stored: Stored) -> Again:
        """An AgentPolicy or a ModelRoute: it has no children, only a status."""
        users, now = self._store.figures_of_users(key), self._statuses.now()
        status: AgentPolicyStatus | ModelRouteStatus
        if key.kind == POLICIES.kind:
            before = read_status(stored, AgentPolicyStatus)
            status = policy_status(stored.object, users, self._facts.installation, before, now)
        else:
            before_route = read_status(stored, ModelRouteStatus)
            status = route_status(stored.object, users, self._facts.installation, before_route, now)
        return Again(await self._statuses.write(key, stored, status, patient=True))

    async def _agent(self, key: Key, stored: Stored) -> Again:
        if self._gatherer.is_leaving(key):
            self._store.set_figures(key, None)
            return Again()
        if isinstance(stored.object, Invalid):
            before = read_status(stored, AIAgentStatus)
            status = invalid_agent_status(stored.object, before, self._statuses.now())
            return Again(await self._statuses.write(key, stored, status))
        agent = cast("AIAgent", stored.object)
        plan = await self._plan(key, agent, stored)
        digest = plan.digests.config if plan.digests else None
        if not await self._echoes.meet(key) and key not in self._met and _says(stored, plan):
            self._echoes.expect(key, digest)
            return UNHEARD
        unread = await self._autoscalers.look(key, scaled=autoscaled(plan))
        outcome = await self._apply(key, plan, stored, unread)
        self._echoes.expect(key, digest)
        touch_again = await self._touches.bring(key, digest)
        costs_again = await self._costs.tell(key, several=agent.spec.most_replicas > 1)
        seen = self._observe(key, plan, outcome)
        if self._may_tell_later(key, outcome):
            self._store.set_figures(key, agent_figures(plan, seen))
            return Again(0.0)
        told = await self._tell(key, stored, plan, seen, outcome)
        if outcome.failed is not None:
            raise outcome.failed
        if outcome.unread is not None:
            self._waves.observe(key)  # how its writes ended is known
            raise outcome.unread
        again = self._again(key, plan, seen, outcome)
        return again.or_sooner(touch_again).or_sooner(costs_again).or_sooner(told.after)

    def _may_tell_later(self, key: Key, outcome: Outcome) -> bool:
        """A config has left, and others that somebody has edited still wait for theirs: they go before a status."""
        smooth = outcome.smooth and not outcome.healed
        return smooth and CONFIG_MAPS.kind in outcome.written and self._urgent_beside(key)

    async def _tell(self, key: Key, stored: Stored, plan: AgentPlan, seen: Observation, outcome: Outcome) -> Again:
        """Status, counts and Events; when there is more to tell although nothing happens."""
        kept = self._plans.of(key, plan)
        untouched = outcome.smooth and not outcome.written and not outcome.healed
        if kept and kept.told == (seen, seen.conversations, stored.status) and untouched:
            return Again()
        before, now = read_status(stored, AIAgentStatus), self._statuses.now()
        status = agent_status(plan, seen, before, now)
        due = await self._statuses.write(key, stored, status)
        self._store.set_figures(key, agent_figures(plan, seen))
        self._narrator.tell(key, plan.agent, before, status, outcome)
        by_the_clock = autoscaled(plan) or (plan.config is not None and plan.config.policy.budget.stated)
        if kept:
            whole = due is None and not by_the_clock and self._store.get(key) is stored
            kept.told = (seen, seen.conversations, stored.status) if whole else None
        return Again(due).or_sooner(silent_in(status.conditions, now))

    async def _plan(self, key: Key, agent: AIAgent, stored: Stored) -> AgentPlan:
        installation = self._facts.installation
        inputs = await self._gatherer.inputs(key, agent, installation.cluster_domain)
        plan = self._plans.plan(key, inputs, installation)
        if plan.problems:
            before = read_status(stored, AIAgentStatus)
            inputs = await self._gatherer.with_last(inputs, before, installation.cluster_domain)
            plan = plan_agent(inputs, installation)
        self._note_config(key, plan)
        return plan

    async def _apply(self, key: Key, plan: AgentPlan, stored: Stored, unread: ApiError | None) -> Outcome:
        seen = self._observe(key, plan, Outcome())
        shape = Shape(seen.overdue or settled(plan, seen), replicas(plan, seen))
        standing = self._standing(key, plan, shape)
        if standing is not None:
            if shape.closed:
                self._let_through.pop(key, None)
            return Outcome(held_back=DEPLOYMENTS.kind not in standing.present)
        before = read_status(stored, AIAgentStatus)
        if not shape.closed:
            seen = replace(seen, let_through=await self._let_through_before(key, plan, before))
        wanted = children(plan, seen, await self._sealer.seal(plan.agent, plan.config_text))
        self._note_let_through(key, wanted.apply, lasting=shape.closed)
        uid = plan.agent.metadata.uid
        bodies = await self._held_back.bodies(key, plan, wanted.apply, before)
        last = await self._last_before_a_write(key, plan, bodies, before)
        absent = tuple(ChildKey(kind.kind, key.namespace, key.name) for kind in wanted.absent)
        outcome = await self._applier.apply(uid, bodies, wanted.replicas, absent, unread)
        if NETWORK_POLICIES.kind in outcome.written:
            self._walls_changed(key)
        outcome.held_back = bodies is not wanted.apply
        kept = self._plans.of(key, plan)
        if outcome.smooth:
            self._held_back.applied(key, bodies)
        if kept and bodies and outcome.smooth:
            waits = {DEPLOYMENTS.kind} if outcome.held_back else set()
            present = tuple(body["kind"] for body in bodies if body["kind"] not in waits)
            kept.applied = applied(shape, wanted.lasting, present, tuple(each.kind for each in wanted.absent))
        self._offer(key, plan, bodies, outcome)
        if CONFIG_MAPS.kind in outcome.written and plan.config and last is not None:
            self._narrator.widened(key, plan.agent, last, plan.config)
        return outcome

    def _offer(self, key: Key, plan: AgentPlan, bodies: tuple[Object, ...], outcome: Outcome) -> None:
        """A config that was just written goes to the pods that run already, ahead of their kubelet."""
        data = next((body["data"] for body in bodies if body["kind"] == CONFIG_MAPS.kind), None)
        if CONFIG_MAPS.kind in outcome.written and plan.digests is not None and data is not None:
            self._echoes.offer(key, plan.digests.config, data)

    def _standing(self, key: Key, plan: AgentPlan, shape: Shape) -> Applied | None:
        """Children as this plan left them in this shape; None: not all are. Nobody tells of an autoscaler."""
        kept = self._plans.of(key, plan)
        were = kept.applied if kept else None
        if were is None or not were.suits(shape) or autoscaled(plan):
            return None
        if DEPLOYMENTS.kind not in were.present and not self._held_back.stands(key, plan, shape.replicas):
            return None
        stand = self._applier.stand(plan.agent.metadata, were.present, were.absent)
        return were if stand and self._sealer.stands(key) else None

    async def _last_before_a_write(
        self, key: Key, plan: AgentPlan, bodies: tuple[Object, ...], before: AIAgentStatus | None
    ) -> AgentConfig | None:
        """The config that the ConfigMap is about to lose, to tell whether more is let through now."""
        child = self._children.get(ChildKey(CONFIG_MAPS.kind, key.namespace, key.name))
        body = next((body for body in bodies if body["kind"] == CONFIG_MAPS.kind), None)
        if child is None or body is None or child.holds(wanted_hash(body)):
            return None
        return await self._gatherer.last(plan.agent, before)

    async def _let_through_before(self, key: Key, plan: AgentPlan, before: AIAgentStatus | None) -> Object | None:
        """The NetworkPolicy's spec as we applied it last, or what it is by the config that the pods were given last."""
        known = self._let_through.get(key)
        if known is not None:
            return known
        inputs = await self._gatherer.with_last(plan.inputs, before, plan.installation.cluster_domain)
        if inputs.last is None:
            return None
        spec: Object = networkpolicy.build(plan.agent, inputs.last, inputs.services, plan.installation)["spec"]
        return spec

    def _note_let_through(self, key: Key, bodies: tuple[Object, ...], *, lasting: bool) -> None:
        """Remembered only while pods lag: later it follows from the config."""
        if lasting:
            self._let_through.pop(key, None)
        for body in bodies:
            if body["kind"] == NETWORK_POLICIES.kind and not lasting:
                self._let_through[key] = body["spec"]

    def _observe(self, key: Key, plan: AgentPlan, outcome: Outcome) -> Observation:
        deployment = self._children.get(ChildKey(DEPLOYMENTS.kind, key.namespace, key.name))
        ours = deployment is not None and deployment.owner == plan.agent.metadata.uid
        return Observation(
            deployment=self._children.deployment(key.namespace, key.name) if ours else None,
            pods=tuple(pod.seen for pod in self._pods.of(key)),
            name_conflicts=tuple(outcome.conflicts),
            predecessor=outcome.predecessor,
            refused=tuple(outcome.refused),
            overdue=self._config_age(key) > OVERDUE_SECONDS,
            log_findings=self._log_findings(key),
            held_back=outcome.held_back,
            autoscaler=self._autoscalers.of(key),
            unread=outcome.unread.message if outcome.unread else None,
        )

    def _again(self, key: Key, plan: AgentPlan, seen: Observation, outcome: Outcome) -> Again:
        again = Again()
        if outcome.waiting:
            again = again.or_sooner(WAIT_SECONDS)
        if outcome.written & {each.kind for each in UNWATCHED}:
            again = again.or_sooner(FIRST_LOOK_SECONDS)
        if outcome.conflicts or outcome.refused:
            again = again.or_sooner(CONFLICT_SECONDS)
        if not seen.overdue and not settled(plan, seen):
            again = again.or_sooner(OVERDUE_SECONDS - self._config_age(key) + 0.1)
        return again

    def _note_config(self, key: Key, plan: AgentPlan) -> None:
        digest = plan.digests.config if plan.digests else ""
        known = self._config_since.get(key)
        if known is None or known[0] != digest:
            self._config_since[key] = (digest, self._clock())

    def _config_age(self, key: Key) -> float:
        known = self._config_since.get(key)
        return self._clock() - known[1] if known else 0.0

    def forget_all(self) -> None:
        """What only a leader learns: another replica led meanwhile."""
        self._applier.forget_all()
        self._sealer.forget_all()
        self._touches.forget_all()
        self._costs.forget_all()
        self._plans.forget_all()
        self._config_since.clear()
        self._let_through.clear()
        self._held_back.forget_all()
        self._met.clear()
        self._waves.forget_all()

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._statuses.forget(key)
        if key.kind == AGENTS.kind:
            self._gatherer.forget(key)
            self._echoes.forget(key)
            self._sealer.forget(key)
            self._touches.forget(key)
            self._costs.forget(key)
            self._plans.forget(key)
            self._applier.forget(key.namespace, key.name)
            self._config_since.pop(key, None)
            self._let_through.pop(key, None)
            self._held_back.forget(key)
            self._met.discard(key)
            self._waves.forget(key)


def _says(stored: Stored, plan: AgentPlan) -> bool:
    """Whether the agent's status is of this generation and of this plan's config."""
    status = read_status(stored, AIAgentStatus)
    told = status is not None and status.observed_generation == plan.agent.metadata.generation
    return told and status is not None and status.digests is not None and status.digests == plan.digests
