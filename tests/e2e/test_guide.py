"""The quickstart guide on a cluster: what a newcomer sees."""

import json

import pytest

from tests.e2e import guides
from tests.e2e.conftest import Installed

STEPS = ("install", "apply", "ask", "refused", "let in", "in force", "remove")


@pytest.fixture(scope="module")
def printed(regent: Installed) -> dict[str, str]:
    return guides.printed(regent, "quickstart.md", STEPS)


def test_the_agent_becomes_ready(printed: dict[str, str]) -> None:
    assert "aiagent.regent.dev/helper condition met" in printed["apply"]
    assert "http://helper.quickstart.svc:8080" in printed["apply"]


def test_the_visitors_answer_is_streamed(printed: dict[str, str]) -> None:
    assert printed["ask"].count("data: {") > 2
    assert printed["ask"].rstrip().endswith("data: [DONE]")


def test_the_stranger_is_refused_and_after_the_edit_is_not(printed: dict[str, str]) -> None:
    assert json.loads(printed["refused"])["error"]["code"] == "caller_not_allowed"
    assert json.loads(printed["let in"].splitlines()[-1])["choices"][0]["message"]["content"]


def test_what_is_in_force_bears_its_sources(printed: dict[str, str]) -> None:
    callers = next(line for line in printed["in force"].splitlines() if line.startswith("callers.serviceAccounts\t"))

    assert "quickstart/house-rules" in callers
    assert "regent-system/floor" in callers


def test_nothing_of_the_example_is_left(printed: dict[str, str], regent: Installed) -> None:
    assert 'namespace "quickstart" deleted' in printed["remove"]
    assert regent.kube("get", "namespace", "quickstart", "--ignore-not-found").strip() == ""
