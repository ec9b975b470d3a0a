"""`regent lint -f`: what is wrong with manifests, before a cluster sees them.

The operator's own judgement (schema, CEL rules, acceptance, the plan of each agent) and three things that it cannot
tell, because they are not wrong, only never of use: a policy that nothing selects or names, a selector that no labels
satisfy, and a floor that its subjects can leave by changing a label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from regent_api.objects import AgentPolicy
from regent_operator.cli.bundle import Bundle, sort
from regent_operator.cli.formats import document, table
from regent_operator.cli.manifests import Manifest, read
from regent_operator.cli.planning import key_sets, local_installation, plan_one
from regent_operator.plan.acceptance import policy_rejections, route_rejections
from regent_operator.plan.inputs import Installation
from regent_operator.plan.oidc import resolved
from regent_operator.plan.peers import never_matches
from regent_operator.plan.reading import read as reading_of

COLUMNS = ("code", "object", "message")
_NOTHING = "no object is here (folders in a folder are not read); name the files, or the folder that holds them"


class FoundError(Exception):
    """Something is wrong with the manifests; it has been printed."""


@dataclass(frozen=True)
class Finding:
    """`code`: a word to filter by. `object`: KIND NAMESPACE/NAME, or the file that could not be read."""

    code: str
    object: str
    message: str
    """What is wrong and what to write instead; quotes no value of a Secret."""


def run(paths: Sequence[Path], namespace: str, floor_namespace: str, form: str) -> str:
    """The findings as text. Raises PathMissingError; FoundError (with the text) when there are any."""
    findings = lint(paths, namespace, floor_namespace)
    rows = [asdict(finding) for finding in findings]
    if not rows:
        return "" if form == "table" else document({"findings": []}, form)
    raise FoundError(table(rows, COLUMNS) if form == "table" else document({"findings": rows}, form))


def lint(paths: Sequence[Path], namespace: str, floor_namespace: str) -> list[Finding]:
    """Everything that is wrong, each thing once. Raises PathMissingError."""
    manifests, unread = read(paths)
    found = [Finding("NotReadable", *problem.split(": ", maxsplit=1)) for problem in unread]
    if not manifests:
        return found or [Finding("NothingRead", ", ".join(map(str, paths)), _NOTHING)]
    bundle, problems = sort(manifests, namespace)
    found += [
        Finding("Invalid", _title(manifests[index], namespace), problem.removeprefix(f"{manifests[index].title}: "))
        for index, words in problems.items()
        for problem in words
    ]
    found += _duplicates(manifests, namespace)
    installation = local_installation(floor_namespace, {"keys": []})
    found += _policies(bundle, installation)
    found += _routes(bundle, installation)
    found += _agents(bundle, installation)
    return list(dict.fromkeys(found))


def _duplicates(manifests: Sequence[Manifest], namespace: str) -> Iterator[Finding]:
    """Objects that stand twice, and not alike; the rest of the findings are of the last one."""
    held: dict[tuple[str, str], Manifest] = {}
    for manifest in manifests:
        title = _title(manifest, namespace)
        before = held.get((manifest.kind, title))
        held[manifest.kind, title] = manifest
        if before is not None and before.raw != manifest.raw:
            yield Finding("Duplicate", title, f"{before.path} and {manifest.path} state it differently; remove one")


def _policies(bundle: Bundle, installation: Installation) -> Iterator[Finding]:
    for key, policy in sorted(bundle.policies.items()):
        title = f"AgentPolicy {key}"
        rejections = tuple(policy_rejections(policy, installation.namespace))
        yield from (Finding(rejection.reason, title, rejection.words) for rejection in rejections)
        whole = resolved(reading_of(policy, installation.namespace), key_sets(bundle, [policy]))
        if not rejections and whole.error is not None:
            yield Finding("DanglingReference", title, whole.error)
        yield from (Finding(code, title, words) for code, words in _matching(bundle, policy, installation.namespace))


def _matching(bundle: Bundle, policy: AgentPolicy, floor_namespace: str) -> Iterator[tuple[str, str]]:
    selector, metadata = policy.spec.selector, policy.metadata
    if selector is None:
        users = (agent for agent in bundle.agents.values() if agent.metadata.namespace == metadata.namespace)
        named = {reference.name for agent in users for reference in agent.spec.policy_refs or []}
        if metadata.name not in named:
            yield "NeverMatches", "spec.selector is absent and no AIAgent here names the policy; select or name agents"
        return
    parts = {"agents": selector.agents, "namespaces": selector.namespaces}
    for name, part in parts.items():
        if part is not None and never_matches(part):
            yield "NeverMatches", f"spec.selector.{name}: no labels satisfy all requirements; remove one of them"
    agents = selector.agents
    if metadata.namespace == floor_namespace and agents and (agents.match_labels or agents.match_expressions):
        words = "spec.selector.agents: whoever writes an agent chooses its labels and so leaves this floor policy; "
        yield "SelectedByAuthors", f"{words}select by spec.selector.namespaces"


def _routes(bundle: Bundle, installation: Installation) -> Iterator[Finding]:
    for key, route in sorted(bundle.routes.items()):
        for rejection in route_rejections(route, installation.cluster_domain):
            yield Finding(rejection.reason, f"ModelRoute {key}", rejection.words)


def _agents(bundle: Bundle, installation: Installation) -> Iterator[Finding]:
    for key, agent in sorted(bundle.agents.items()):
        for problem in plan_one(bundle, agent, installation).problems:
            yield Finding(problem.reason, f"AIAgent {key}", problem.message)


def _title(manifest: Manifest, namespace: str) -> str:
    metadata = manifest.raw["metadata"]
    return f"{manifest.raw['kind']} {metadata.get('namespace') or namespace}/{metadata['name']}"
