from typing import Any

import pytest

from regent_api.agent import AIAgentSpec, Instructions
from regent_api.objects import Invalid, Metadata, Valid, metadata_of, parse
from regent_api.types import ObjectRef, Sensitivity

RAW: dict[str, Any] = {
    "metadata": {
        "namespace": "acme",
        "name": "helper",
        "uid": "u-1",
        "generation": 3,
        "resourceVersion": "17",
        "labels": {"team": "a"},
    },
    "spec": {"instructions": {"inline": "Help."}, "modelRouteRef": {"name": "local"}, "sensitivity": "Internal"},
}
METADATA = Metadata("acme", "helper", uid="u-1", generation=3, labels={"team": "a"})


def test_an_object_is_its_metadata_and_its_spec() -> None:
    spec = AIAgentSpec(
        instructions=Instructions(inline="Help."),
        model_route_ref=ObjectRef(name="local"),
        sensitivity=Sensitivity.INTERNAL,
    )
    assert parse(RAW, AIAgentSpec) == Valid(METADATA, spec)
    assert METADATA.key == "acme/helper"
    assert spec.wire() == RAW["spec"]


def test_an_object_that_is_being_deleted_says_so() -> None:
    raw = {"metadata": {"name": "helper", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert metadata_of(raw) == Metadata("", "helper", deleting=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sensitivity": "Secret"}, "spec.sensitivity: "),
        ({"image": "evil"}, "spec.image: "),
        ({"instructions": None}, "spec.instructions: "),
        ({"scaling": {"replicas": 0}}, "spec.scaling.replicas: "),
    ],
)
def test_a_spec_that_cannot_be_read_is_invalid_and_names_the_field(change: dict[str, Any], words: str) -> None:
    read = parse(RAW | {"spec": RAW["spec"] | change}, AIAgentSpec)
    assert isinstance(read, Invalid)
    assert read.metadata == METADATA
    assert read.error.startswith(words)


def test_an_absent_spec_is_invalid_and_not_empty() -> None:
    read = parse({"metadata": RAW["metadata"]}, AIAgentSpec)
    assert isinstance(read, Invalid)
    assert "spec.instructions: Field required" in read.error


def test_an_error_quotes_no_value() -> None:
    read = parse(RAW | {"spec": RAW["spec"] | {"description": {"token": "s3cr3t"}}}, AIAgentSpec)
    assert isinstance(read, Invalid)
    assert "s3cr3t" not in read.error


def test_an_error_names_no_more_than_five_fields() -> None:
    read = parse(RAW | {"spec": RAW["spec"] | {f"unknown{n}": 1 for n in range(50)}}, AIAgentSpec)
    assert isinstance(read, Invalid)
    assert len(read.error.split("; ")) == 5
