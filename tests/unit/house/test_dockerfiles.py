"""The Dockerfiles as they are written: CI builds them on a base of its own, and would not notice another default."""

import re
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[3] / "images").glob("*/Dockerfile"))
Instructions = list[tuple[str, str]]


@pytest.fixture(params=FILES, ids=lambda file: file.parent.name)
def instructions(request: pytest.FixtureRequest) -> Instructions:
    """(instruction, its words), in order."""
    lines = request.param.read_text().splitlines()
    return [(word, words) for word, _, words in (line.partition(" ") for line in lines if not line.startswith("#"))]


def of(instructions: Instructions, *kinds: str) -> list[str]:
    return [words for word, words in instructions if word in kinds]


def test_each_program_has_one() -> None:
    assert [file.parent.name for file in FILES] == ["demo-model", "operator", "runtime"]


def test_the_base_is_an_argument_pinned_to_a_patch_release(instructions: Instructions) -> None:
    (argument,) = of(instructions, "ARG")
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-(slim-)?bookworm", argument)


def test_what_builds_is_not_in_the_image(instructions: Instructions) -> None:
    assert of(instructions, "FROM") == ["${BASE} AS build", "${BASE}"]
    assert of(instructions, "COPY") == ["site /app/lib/python3.11/site-packages", "--from=build /app /app"]


def test_no_step_and_no_start_asks_for_a_shell(instructions: Instructions) -> None:
    asked = of(instructions, "RUN", "CMD", "ENTRYPOINT")
    assert asked
    assert [words for words in asked if not re.fullmatch(r'\["python3", .+\]', words)] == []


def test_the_image_runs_as_nobody(instructions: Instructions) -> None:
    assert of(instructions, "USER")[-1] == "65532:65532"
