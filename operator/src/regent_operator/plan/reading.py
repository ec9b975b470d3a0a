"""What one AgentPolicy says, read once for each version of the object: thousands of agents share a policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regent_api.config import digest
from regent_api.objects import AgentPolicy, Metadata
from regent_api.policy import AgentPolicySpec, PolicyMode
from regent_api.types import LabelSelector
from regent_operator.plan.acceptance import Rejection, policy_rejection, selector_error
from regent_operator.plan.lattice import Clause, Opinions, opinions_of
from regent_operator.plan.remembered import Remembered


@dataclass(frozen=True, eq=False)
class Reading:
    """Compared by identity: `read` gives the same reading for the same object."""

    metadata: Metadata
    spec: AgentPolicySpec
    rejection: Rejection | None
    """Why it is not Accepted."""
    selector_unreadable: bool
    """Nobody can tell which agents it is for."""
    floor: bool
    """Of the operator's own namespace."""
    opinions: Opinions
    digest: str
    """Over what it selects and states, in canonical form: equal meaning, equal digest."""

    @property
    def error(self) -> str | None:
        """Why it is not Accepted, in words."""
        return self.rejection.words if self.rejection else None

    @property
    def key(self) -> str:
        return self.metadata.key

    def selects(self, agent_labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether the selector matches, or might. Without a selector a policy applies only to who names it.

        `namespaces` outside the operator's namespace makes the policy invalid, not narrower: it is left aside here.
        """
        selector = self.spec.selector
        if selector is None:
            return False
        if self.selector_unreadable:
            return True
        namespaces = selector.namespaces if self.floor else None
        return _matches(selector.agents, agent_labels) and _matches(namespaces, namespace_labels)


def read(policy: AgentPolicy, operator_namespace: str) -> Reading:
    """The reading of a policy; of the same object always the same one."""
    return _readings.of(policy, also=operator_namespace, make=lambda: _read(policy, operator_namespace))


_readings: Remembered[Reading] = Remembered()


def _read(policy: AgentPolicy, operator_namespace: str) -> Reading:
    selector = policy.spec.selector
    parts = [part for part in (selector.agents, selector.namespaces) if part] if selector else []
    opinions = opinions_of(policy.spec, policy.metadata.key)
    return Reading(
        metadata=policy.metadata,
        spec=policy.spec,
        rejection=policy_rejection(policy, operator_namespace),
        selector_unreadable=any(selector_error(part, "") is not None for part in parts),
        floor=policy.metadata.namespace == operator_namespace,
        opinions=opinions,
        digest=digest(
            {
                "mode": policy.spec.mode or PolicyMode.ENFORCE,
                "selector": selector.wire() if selector else None,
                "opinions": {path: _plain(stated.value) for path, stated in opinions.items()},
            }
        ),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [entry.key if isinstance(entry, Clause) else entry for entry in value]
    return sorted(value) if isinstance(value, frozenset) else value


def _matches(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    return selector is None or selector.matches(dict(labels))
