"""The three kinds as objects: metadata and a parsed spec, or the reason why the spec cannot be parsed.

An object whose spec this version does not understand is not absent: it is Invalid, and whoever needs it must say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from regent_api.agent import AIAgentSpec
from regent_api.model import Model
from regent_api.policy import AgentPolicySpec
from regent_api.route import ModelRouteSpec

S = TypeVar("S", bound=Model)


@dataclass(frozen=True, slots=True)
class Metadata:
    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Valid(Generic[S]):
    metadata: Metadata
    spec: S


@dataclass(frozen=True, slots=True)
class Invalid:
    """`error` names the field and what is wrong with it, and quotes no value."""

    metadata: Metadata
    error: str


AIAgent = Valid[AIAgentSpec]
AgentPolicy = Valid[AgentPolicySpec]
ModelRoute = Valid[ModelRouteSpec]


def parse(raw: Mapping[str, Any], spec: type[S]) -> Valid[S] | Invalid:
    """Read an object of the API server."""
    metadata = metadata_of(raw)
    try:
        return Valid(metadata, spec.model_validate(raw.get("spec") or {}))
    except ValidationError as error:
        return Invalid(metadata, "; ".join(_words(problem) for problem in error.errors(include_input=False)[:5]))


def metadata_of(raw: Mapping[str, Any]) -> Metadata:
    meta = raw["metadata"]
    return Metadata(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta.get("uid", ""),
        generation=meta.get("generation", 0),
        labels=meta.get("labels") or {},
        deleting="deletionTimestamp" in meta,
    )


def _words(problem: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in ("spec", *problem["loc"]))
    return f"{path}: {problem['msg']}"
