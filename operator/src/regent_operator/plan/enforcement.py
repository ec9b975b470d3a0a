"""Whether the policy is in force: what the pods that can serve say of themselves, never what was written."""

from collections.abc import Collection
from dataclasses import dataclass

from regent_api.policy import MOST_SHADOWS
from regent_api.status import ConditionType, Reason
from regent_operator.plan.agent import AgentPlan
from regent_operator.plan.children import Part, echoes
from regent_operator.plan.conditions import Finding, false, true
from regent_operator.plan.observation import Observation, PodSeen

_ENFORCED = ConditionType.POLICY_ENFORCED
MOST_NAMED = 5


@dataclass(frozen=True)
class Enforcement:
    """Pods that echo the plan's digest, of those that can serve."""

    enforced: int
    serving: int

    def __str__(self) -> str:
        return f"{self.enforced}/{self.serving}"


def enforcement(plan: AgentPlan, seen: Observation, part: Part = "config") -> Enforcement:
    serving = [pod for pod in seen.pods if pod.can_serve]
    return Enforcement(sum(echoes(plan, pod, part) for pod in serving), len(serving))


def policy_enforced(plan: AgentPlan, seen: Observation) -> Finding:
    """PolicyEnforced: every pod that can serve computes and echoes the digest of the plan's config."""
    counted = enforcement(plan, seen)
    behind = [pod for pod in seen.pods if pod.can_serve and not echoes(plan, pod)]
    refusing = [pod for pod in behind if pod.echo and pod.echo.config_error]
    if plan.config is None:
        return false(_ENFORCED, Reason.NOT_YET_ENFORCED, "There is no config to enforce; see the other conditions.")
    if refusing:
        return false(_ENFORCED, Reason.CONFIG_REFUSED, _refusal(refusing[0]))
    if behind:
        names = ", ".join(pod.name for pod in behind[:MOST_NAMED])
        words = f"{counted} pods echo {_digest(plan)}; waiting for {names}. Wait; or look at the logs of those pods."
        return false(_ENFORCED, Reason.NOT_YET_ENFORCED, words)
    if counted.serving:
        return true(_ENFORCED, Reason.ENFORCED, f"{counted} pods echo {_digest(plan)}. {_untried(plan)}")
    if plan.config.suspended:
        return true(_ENFORCED, Reason.SUSPENDED, "No pod runs, so none serves. Nothing to do.")
    return false(_ENFORCED, Reason.NO_SERVING_POD, "No pod can serve yet; see WorkloadAvailable.")


def missing_credentials(seen: Observation) -> Finding | None:
    """ResolvedRefs=False while pods say that a mounted Secret or key is missing.

    What a pod of an older template does not mount is not missing: the rollout brings it. Of more than the pod could
    name nobody knows which it mounts, so that counts.
    """
    said: set[str] = set()
    beyond = 0
    for pod in seen.pods:
        if pod.echo is not None and not pod.ended and not pod.deleting:
            mounted = {f"{secret}/{name}" for secret, key in pod.credentials for name in (key, "hosts")}
            said.update(mounted.intersection(pod.echo.missing_credentials))
            beyond = max(beyond, pod.echo.missing_beyond)
    if not said and not beyond:
        return None
    words = f"The pods miss {_named(said, beyond)} (SECRET/KEY of the agent's namespace)"
    return false(
        ConditionType.RESOLVED_REFS,
        Reason.CREDENTIALS_MISSING,
        f"{words}. Create them; each Secret also needs the key `hosts`.",
    )


def _untried(plan: AgentPlan) -> str:
    if not plan.untried:
        return "Nothing to do."
    return (
        f"Of the policies in mode Audit at most {MOST_SHADOWS} are tried, as far as they fit into the config, and not "
        f"{_named(plan.untried)}. Change some: enforce or delete them."
    )


def _named(names: Collection[str], beyond: int = 0) -> str:
    """The first, and how many more there are, those `beyond` the names included."""
    named = sorted(names)[:MOST_NAMED]
    more = len(names) - len(named) + beyond
    return " and ".join(filter(None, [", ".join(named), f"{more} more" if more else ""]))


def _refusal(pod: PodSeen) -> str:
    words = pod.echo.config_error if pod.echo else ""
    return (
        f"Pod {pod.name} refuses the new config and keeps the old one: {words}. "
        "Correct the object that this names, or bring operator and runtime to the same version."
    )


def _digest(plan: AgentPlan) -> str:
    return plan.digests.config[:19] if plan.digests else "no digest"
