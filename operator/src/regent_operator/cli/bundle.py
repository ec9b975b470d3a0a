"""What a set of manifests holds, by kind: the small world that `regent dev` plans in.

The three kinds are validated by the models that the operator uses; an invalid one is an error here, not a condition:
there is nobody who would correct it later. Other kinds are kept where planning or secrets need them, else noted.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeVar

from regent_api import API_VERSION, GROUP
from regent_api.agent import AIAgentSpec
from regent_api.kinds import AGENT_POLICY, AI_AGENT, MODEL_ROUTE, Kind
from regent_api.model import Model
from regent_api.objects import AgentPolicy, AIAgent, ModelRoute, Valid, metadata_of
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec
from regent_operator.cli import shapes
from regent_operator.cli.manifests import Manifest, ManifestError
from regent_operator.cli.validation import problems

S = TypeVar("S", bound=Model)


@dataclass
class Bundle:
    """Keyed by NAMESPACE/NAME; of two objects with the same name the later one holds, as with kubectl apply."""

    agents: dict[str, AIAgent] = field(default_factory=dict)
    policies: dict[str, AgentPolicy] = field(default_factory=dict)
    routes: dict[str, ModelRoute] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Name -> labels."""
    config_maps: dict[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    services: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    deployments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    service_accounts: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Titles of the objects that have no meaning on this machine."""

    def labels_of_namespace(self, namespace: str) -> Mapping[str, str]:
        """With the label that the API server gives to every namespace."""
        return {"kubernetes.io/metadata.name": namespace, **self.namespaces.get(namespace, {})}


def gather(manifests: Sequence[Manifest], unread: Sequence[str], namespace: str) -> Bundle:
    """Sort what was read into a Bundle; objects without a namespace get `namespace`.

    `unread`: what is wrong beside the manifests. Raises ManifestError, with all that is wrong.
    """
    bundle, problems = sort(manifests, namespace)
    if wrong := [*unread, *chain.from_iterable(problems.values())]:
        raise ManifestError(*wrong)
    return bundle


def sort(manifests: Sequence[Manifest], namespace: str) -> tuple[Bundle, dict[int, tuple[str, ...]]]:
    """The same, and what is wrong with the manifests that are left out, by their index."""
    bundle = Bundle()
    problems: dict[int, tuple[str, ...]] = {}
    for index, manifest in enumerate(manifests):
        try:
            _add(bundle, manifest, namespace)
        except ManifestError as error:
            problems[index] = error.problems
    return bundle, problems


def _add(bundle: Bundle, manifest: Manifest, default_namespace: str) -> None:
    if found := shapes.problems(manifest):
        raise ManifestError(*(f"{manifest.title}: {problem}" for problem in found))
    metadata = manifest.raw["metadata"]
    key = f"{metadata.get('namespace') or default_namespace}/{metadata['name']}"
    match manifest.kind:
        case "regent.dev/AIAgent":
            bundle.agents[key] = _parsed(manifest, AI_AGENT, AIAgentSpec, default_namespace)
        case "regent.dev/AgentPolicy":
            bundle.policies[key] = _parsed(manifest, AGENT_POLICY, AgentPolicySpec, default_namespace)
        case "regent.dev/ModelRoute":
            bundle.routes[key] = _parsed(manifest, MODEL_ROUTE, ModelRouteSpec, default_namespace)
        case kind if kind.startswith(f"{GROUP}/"):
            raise ManifestError(f"{manifest.title}: {GROUP} has no such kind; write AIAgent, AgentPolicy or ModelRoute")
        case _:
            _add_surroundings(bundle, manifest, key)


def _add_surroundings(bundle: Bundle, manifest: Manifest, key: str) -> None:
    match manifest.kind:
        case "Namespace":
            bundle.namespaces[manifest.raw["metadata"]["name"]] = manifest.raw["metadata"].get("labels") or {}
        case "ConfigMap":
            bundle.config_maps[key] = manifest.raw.get("data") or {}
        case "Secret":
            bundle.secrets[key] = _secret_data(manifest)
        case "Service":
            bundle.services[key] = manifest.raw
        case "apps/Deployment":
            bundle.deployments[key] = manifest.raw
        case "ServiceAccount":
            bundle.service_accounts.append(key)
        case _:
            bundle.ignored.append(manifest.title)


def _parsed(manifest: Manifest, kind: Kind, spec: type[S], default_namespace: str) -> Valid[S]:
    if manifest.raw["apiVersion"] != API_VERSION:
        raise ManifestError(f"{manifest.title}: apiVersion: write {API_VERSION}")
    if found := problems(manifest.raw, kind):
        raise ManifestError(*(f"{manifest.title}: {problem}" for problem in found))
    metadata = metadata_of(manifest.raw)
    namespaced = replace(metadata, namespace=metadata.namespace or default_namespace)
    return Valid(namespaced, spec.model_validate(manifest.raw["spec"]))


def _secret_data(manifest: Manifest) -> Mapping[str, bytes]:
    """`data` decoded, and `stringData`, which wins. Names keys only: no value ever enters a message."""
    decoded: dict[str, bytes] = {}
    for key, value in (manifest.raw.get("data") or {}).items():
        try:
            decoded[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise ManifestError(
                f"{manifest.title}: data.{key}: not base64; put plain text under stringData instead"
            ) from None
    return decoded | {key: str(value).encode() for key, value in (manifest.raw.get("stringData") or {}).items()}
