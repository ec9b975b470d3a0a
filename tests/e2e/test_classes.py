"""examples/classes on a cluster, by the commands of its README: what happens to data of each label."""

import json
from typing import Any

import pytest

from tests.e2e import guides
from tests.e2e.conftest import ROOT, Installed

STEPS = ("apply", "public", "internal", "confidential", "restricted", "remove")


@pytest.fixture(scope="module")
def printed(regent: Installed) -> dict[str, str]:
    return guides.printed(regent, ROOT / "examples" / "classes" / "README.md", STEPS)


def documents(text: str) -> list[Any]:
    """The lines that are JSON."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def asked(turn: Any) -> list[tuple[str, str]]:
    """The providers of a turn, and what became of each."""
    return [(attempt["provider"], attempt["outcome"]) for attempt in turn["attempts"]]


def test_public_data_goes_to_the_cloud(printed: dict[str, str]) -> None:
    answer, turn = documents(printed["public"])
    assert answer["choices"][0]["message"]["content"]
    assert turn["sensitivity"] == "Public"
    assert asked(turn) == [("cloud", "answered")]


def test_internal_data_passes_once_when_the_lead_has_approved(printed: dict[str, str]) -> None:
    refused, answer, again = documents(printed["internal"])
    assert refused["error"]["code"] == "approval_required"
    assert "visitor may not" in printed["internal"]
    assert "caller: system:serviceaccount:classes:visitor\n" in printed["internal"]
    assert "user: Summarise: the office moves in May.\n" in printed["internal"]
    assert "\nApproved\n" in printed["internal"]
    assert answer["choices"][0]["message"]["content"]
    assert again["error"]["code"] == "approval_invalid"


def test_personal_data_stays_in_the_house_behind_placeholders(printed: dict[str, str]) -> None:
    answer, turn = documents(printed["confidential"])
    assert answer["choices"][0]["message"]["content"]
    assert turn["sensitivity"] == "Confidential"
    assert asked(turn) == [("onprem", "answered")]
    assert "Anonymize" in [decision["action"] for decision in turn["decisions"]]
    assert "ann@example.com" not in json.dumps(turn)


def test_restricted_data_reaches_no_model_and_explain_says_by_which_field(printed: dict[str, str]) -> None:
    (refused,) = documents(printed["restricted"])
    assert refused["error"]["code"] == "data_class_forbidden"
    assert "data.classes.Restricted.aiProcessing" in printed["restricted"]
    assert "classes/data-classes" in printed["restricted"]
    assert printed["restricted"].rstrip().endswith("exit code 3")


def test_nothing_of_the_example_is_left(printed: dict[str, str], regent: Installed) -> None:
    assert 'namespace "classes" deleted' in printed["remove"]
    assert 'namespace "classes-cloud" deleted' in printed["remove"]
    assert regent.kube("get", "namespace", "classes", "classes-cloud", "--ignore-not-found").strip() == ""
