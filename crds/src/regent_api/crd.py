"""A kind's CustomResourceDefinition.

Written out in full and in a stable order: the same models give the same bytes, so a committed file can be verified.
"""

from typing import Any

from regent_api import GROUP, VERSION
from regent_api.kinds import CATEGORY, Column, Kind
from regent_api.schema import Schema, object_schema, validation
from regent_api.status import ConditionStatus, ConditionType, Reason

PENDING = {
    "type": ConditionType.READY.value,
    "status": ConditionStatus.UNKNOWN.value,
    "reason": Reason.PENDING.value,
    "message": "The operator has not looked at this object yet. "
    "If this stays, check that Regent's operator runs and watches this namespace.",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}
"""What a status says before the operator has written one; nobody has seen a transition, hence the epoch."""


def crd(kind: Kind) -> dict[str, Any]:
    """The `apiextensions.k8s.io/v1` object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": root_schema(kind)},
                }
            ],
        },
    }


def root_schema(kind: Kind) -> Schema:
    """The schema of the whole object."""
    schema: Schema = {
        "description": kind.summary,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{GROUP}/{VERSION}", "type": "string"},
            "kind": {"description": kind.name, "type": "string"},
            "metadata": _metadata(kind),
            "spec": object_schema(kind.spec) | {"description": kind.spec_summary},
            "status": _status(kind),
        },
    }
    if kind.rules:
        schema["x-kubernetes-validations"] = [validation(rule) for rule in kind.rules]
    return schema


def _metadata(kind: Kind) -> Schema:
    """The API server allows no description here, and describes it itself; a rule's fieldPath needs the name."""
    return {"type": "object"} | ({"properties": {"name": {"type": "string"}}} if kind.rules else {})


def _status(kind: Kind) -> Schema:
    """Both defaults are needed: that of `conditions` only acts where a status is."""
    schema = object_schema(kind.status) | {"description": "What the operator has seen.", "default": {}}
    schema["properties"]["conditions"]["default"] = [PENDING]
    return schema


def _column(column: Column) -> dict[str, str]:
    return {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "jsonPath": column.path,
    }
