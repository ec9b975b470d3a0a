"""What the API server would say to an object's metadata, of any kind, and to those parts of the kinds around ours that
this command reads.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from regent_api.types import DnsLabel, LabelKey, LabelValue, ObjectName
from regent_operator.cli.manifests import Manifest
from regent_operator.cli.validation import path_of, plain, unknown

AnnotationKey = Annotated[LabelKey, BeforeValidator(str.lower)]
"""The API server folds its case before it looks."""


class Part(BaseModel):
    """What stands beside the fields is left to the API server."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)


class ObjectMeta(Part, extra="forbid"):
    """https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/"""

    name: str
    namespace: Annotated[DnsLabel | None, BeforeValidator(lambda given: given or None)] = None
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[AnnotationKey, str] | None = None
    creation_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    deletion_timestamp: Any = None
    finalizers: Any = None
    generate_name: Any = None
    generation: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None


class Object(Part):
    metadata: ObjectMeta


class OurMeta(ObjectMeta):
    name: ObjectName


class Ours(Object):
    metadata: OurMeta


class ConfigMap(Object):
    data: dict[str, str] | None = None


class Secret(Object):
    data: dict[str, Any] | None = None
    string_data: dict[str, Any] | None = None


class ServicePort(Part):
    port: int


class ServiceSpec(Part):
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None


class Service(Object):
    spec: ServiceSpec = ServiceSpec()


class Container(Part):
    image: str | None = None


class PodSpec(Part):
    containers: list[Container]


class PodMeta(Part):
    labels: dict[str, str] = {}


class PodTemplate(Part):
    metadata: PodMeta = PodMeta()
    spec: PodSpec


class DeploymentSpec(Part):
    template: PodTemplate


class Deployment(Object):
    spec: DeploymentSpec


SHAPES: Mapping[str, type[Object]] = {
    "ConfigMap": ConfigMap,
    "Secret": Secret,
    "Service": Service,
    "apps/Deployment": Deployment,
    "regent.dev/AIAgent": Ours,
    "regent.dev/AgentPolicy": Ours,
    "regent.dev/ModelRoute": Ours,
}
_ASKED = {
    constraints.pattern: words.text
    for constraints, words in (get_args(type_)[1:3] for type_ in (DnsLabel, LabelKey, LabelValue, ObjectName))
}
"""What a pattern asks for."""


def problems(manifest: Manifest) -> list[str]:
    """One line for each thing wrong, as `metadata.path: what to write`; no value is quoted."""
    try:
        SHAPES.get(manifest.kind, Object).model_validate(manifest.raw)
    except ValidationError as error:
        return [_words(problem) for problem in error.errors(include_input=False, include_url=False)]
    return []


def _words(problem: Mapping[str, Any]) -> str:
    where, *key = path_of(problem["loc"]).split(".[key]")
    subject = "its key " if key else ""
    match problem["type"]:
        case "extra_forbidden":
            return unknown(problem["loc"], {name: name for name in map(to_camel, ObjectMeta.model_fields)})
        case "string_pattern_mismatch":
            return f"{where}: {subject}must be {_ASKED[problem['ctx']['pattern']]}"
        case _:
            return f"{where}: {subject}{plain(problem)}"
