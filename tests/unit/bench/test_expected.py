"""What a benchmark calls unexpected, and what it leaves alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.expected import CREATION, EDIT, EDIT_OF_AGENTS, RESTART, RESYNC, Count, Phase, unexpected
from tests.cluster import Request

ONE, TWO = ("acme", "one"), ("acme", "two")


def request(verb: str, resource: str, namespace: str = "acme", name: str = "one", subresource: str = "") -> Request:
    about: dict[str, Any] = {"namespace": namespace, "name": name, "subresource": subresource}
    return Request("", "", verb, "", resource, uri="", code=200, message="", causes=(), at="", **about)


def creation_of(name: str) -> Iterator[Request]:
    """As it should be."""
    for child in ("serviceaccounts", "configmaps", "services", "networkpolicies", "deployments"):
        yield request("patch", child, name=name)
    yield request("patch", "aiagents", name=name, subresource="status")
    yield request("create", "events", name=f"{name}.0123456789abcdef")


def creation() -> list[Request]:
    told = request("patch", "agentpolicies", name="p", subresource="status")
    told_route = request("patch", "modelroutes", name="r", subresource="status")
    provider = request("get", "services", "models", "demo-model")
    return [*creation_of("one"), *creation_of("two"), told, told_route, provider]


def test_a_creation_as_it_should_be_is_expected() -> None:
    assert unexpected(CREATION, creation(), [ONE, TWO]) == {}


@pytest.mark.parametrize("missing", range(15))
def test_whatever_is_missing_is_told_but_an_event(missing: int) -> None:
    asked = creation()
    gone = asked.pop(missing)
    assert len(unexpected(CREATION, asked, [ONE, TWO])) == (gone.resource != "events")


@pytest.mark.parametrize("more", range(14))
def test_whatever_is_asked_once_more_is_told_but_a_second_status(more: int) -> None:
    asked = creation()
    again = asked[more]
    found = unexpected(CREATION, [*asked, again], [ONE, TWO])
    assert bool(found) is (again.resource != "aiagents")


def test_the_words_say_how_many_agents_differ_and_by_what() -> None:
    asked = [request("patch", "configmaps", name=name) for name in ("one", "one", "two")]
    phase = Phase({"patch configmaps": Count(1, 1), "patch aiagents/status": Count(1, 2, "why")})
    assert unexpected(phase, asked, [ONE, TWO]) == {
        "patch aiagents/status of an agent": "expected 1 to 2, but 0 at 2 of 2 agents",
        "patch configmaps of an agent": "expected 1, but 2 at 1 of 2 agents",
    }


def test_an_edit_reads_no_child_and_leaves_other_agents_alone() -> None:
    edit = [request("patch", "configmaps"), request("patch", "aiagents", subresource="status")]
    assert unexpected(EDIT, edit, [ONE]) == {}
    read, other = request("get", "configmaps"), request("patch", "configmaps", name="two")
    assert unexpected(EDIT, [*edit, read], [ONE]) == {
        "get configmaps of an agent": "expected 0, but 1 at 1 of 1 agents"
    }
    assert unexpected(EDIT, [*edit, other], [ONE]) == {"patch configmaps": "expected 0, but 1"}


def test_an_edit_of_agents_alone_is_told_to_no_policy() -> None:
    edit = [request("patch", "configmaps"), request("patch", "aiagents", subresource="status")]
    status = request("patch", "agentpolicies", name="p", subresource="status")
    assert unexpected(EDIT, [*edit, status], [ONE]) == {}
    assert unexpected(EDIT_OF_AGENTS, [*edit, status], [ONE]) == {"patch agentpolicies/status": "expected 0, but 1"}


def test_a_touched_pod_counts_for_its_agent() -> None:
    edit = [request("patch", "configmaps"), request("patch", "aiagents", subresource="status")]
    touches = [request("patch", "pods", name="one-7d4b9c-x2x2x")] * 5
    assert unexpected(EDIT, edit + touches[:4], [ONE]) == {}
    assert list(unexpected(EDIT, edit + touches, [ONE])) == ["patch pods of an agent"]


@pytest.mark.parametrize("phase", [RESTART, RESYNC])
def test_at_rest_nothing_but_the_lease_is_written(phase: Phase) -> None:
    lease = request("update", "leases", "regent-system", "regent-operator")
    lists = [request("list", "aiagents", "", ""), request("watch", "pods", "", ""), request("get", "", "", "")]
    provider = [request("get", "services", "models", "demo-model")] * (phase is RESTART)
    assert unexpected(phase, [lease, *lists, *provider], [ONE]) == {}
    status = request("patch", "agentpolicies", name="p", subresource="status")
    assert unexpected(phase, [*provider, status], [ONE]) == {"patch agentpolicies/status": "expected 0, but 1"}


def test_each_range_says_why() -> None:
    for phase in (CREATION, EDIT, EDIT_OF_AGENTS, RESTART, RESYNC):
        for count in (*phase.of_each_agent.values(), *phase.besides.values()):
            assert count.why or count.least == count.most
