"""examples/quickstart on a real node: the real model answers whom the policy lets in, and nobody else."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import caller
from tests.e2e.caller import Caller
from tests.e2e.conftest import ROOT, Installed
from tests.e2e.kube import Kube, condition, kstatus
from tests.enforces import enforces

WHERE = "quickstart"
AGENT = f"{WHERE}/helper"


@pytest.fixture(scope="module")
def applied_at(regent: Installed) -> float:
    """The moment before the example was applied."""
    return time.monotonic()


@pytest.fixture(scope="module")
def quickstart(regent: Installed, applied_at: float) -> Iterator[Kube]:
    kube = regent.kube
    kube.apply(ROOT / "examples" / "quickstart")
    fresh = kube.get("aiagent", "helper", WHERE)
    assert condition(fresh, "Ready")["status"] != "True"
    assert kstatus(fresh) == ["InProgress"]
    kube.until_ready("helper", WHERE)
    yield kube
    regent.discard(WHERE)


@pytest.fixture(scope="module")
def visitor(quickstart: Kube) -> Caller:
    return caller.start(quickstart, "visitor", WHERE, "visitor", AGENT, f"{WHERE}/other")


def test_the_real_model_answers_a_visitor(
    applied_at: float, visitor: Caller, seconds_printed: Callable[[str, float], None]
) -> None:
    answer = visitor.ask(AGENT, "Say hello in one short sentence.", stream=False)
    seconds_printed("apply to first answer, the caller's pod included", time.monotonic() - applied_at)
    assert answer.status == 200
    assert answer.text.strip()
    assert answer.body["usage"]["completion_tokens"] > 0
    assert "x-regent-turn" in answer.headers


def test_the_real_model_streams(visitor: Caller) -> None:
    answer = visitor.ask(AGENT, "Count from one to ten.", stream=True)
    assert answer.status == 200
    assert len(answer.pieces) > 1
    assert answer.finish in {"stop", "length"}
    assert answer.error is None


def test_without_a_token_nobody_gets_in(visitor: Caller) -> None:
    answer = visitor.ask(AGENT, token=None)
    assert answer.status == 401
    assert answer.body["error"]["message"]


def test_a_token_for_another_agent_is_refused(visitor: Caller) -> None:
    assert visitor.ask(AGENT, token=f"{WHERE}/other").status == 401


@enforces("callers.serviceAccounts.name")
def test_an_unlisted_service_account_of_an_allowed_namespace_is_refused(quickstart: Kube) -> None:
    stranger = caller.start(quickstart, "stranger", WHERE, "stranger", AGENT)
    answer = stranger.ask(AGENT)
    assert answer.status == 403
    assert answer.body["error"]["type"]


@enforces("callers.serviceAccounts.namespace")
def test_a_pod_of_a_namespace_that_is_not_allowed_cannot_connect(quickstart: Kube, regent: Installed) -> None:
    outside = regent.namespace()
    outsider = caller.start(quickstart, "outsider", outside, "visitor", AGENT)
    assert outsider.ask(AGENT, timeout=4).unreachable is not None
    regent.discard(outside)


def test_kubectl_get_tells_the_truth(quickstart: Kube) -> None:
    rows = [line.split() for line in quickstart("get", "regent", "--all-namespaces").splitlines() if line]
    headers = {tuple(row[1:]) for row in rows if row[0] == "NAMESPACE"}
    assert headers == {
        ("NAME", "READY", "REASON", "ROUTE", "POLICIES", "REPLICAS", "CONVERSATIONS", "ENDPOINT", "AGE"),
        ("NAME", "READY", "REASON", "MODE", "AGENTS", "ENFORCED", "AGE"),
        ("NAME", "READY", "REASON", "PROVIDERS", "RULES", "AGENTS", "ENFORCED", "AGE"),
    }
    ours = {row[1]: row[2:-1] for row in rows if row[0] == WHERE}
    endpoint = f"http://helper.{WHERE}.svc:8080"
    *told, conversations, at = ours["aiagent.regent.dev/helper"]
    assert (told, at) == (["True", "Ready", "local", "2", "1"], endpoint)
    assert conversations.isdigit()
    assert ours["agentpolicy.regent.dev/house-rules"][:4] == ["True", "Enforced", "Enforce", "1"]
    assert ours["modelroute.regent.dev/local"][:5] == ["True", "Enforced", "1", "1", "1"]


def test_status_says_what_is_in_force(quickstart: Kube) -> None:
    found = quickstart.until_ready("helper", WHERE)
    status = found["status"]
    assert status["enforced"] == "1/1"
    assert status["digests"]["config"].startswith("sha256:")
    floor = {(use["namespace"], use["name"]) for use in status["policies"]}
    assert ("regent-system", "floor") in floor
    assert any(use["namespace"] == WHERE for use in status["policies"])
    anonymous = next(entry for entry in status["effective"] if entry["field"] == "callers.anonymous")
    assert anonymous["value"] == '"Deny"'
    assert "regent-system/floor" in anonymous["from"]
    assert kstatus(found) == ["Current"]


def test_every_object_of_the_example_is_current(quickstart: Kube) -> None:
    for kind in ("agentpolicy", "modelroute"):
        for found in quickstart.all_of(kind, WHERE):
            name = found["metadata"]["name"]
            assert kstatus(quickstart.until_condition(kind, name, WHERE, "Ready", "True")) == ["Current"]
