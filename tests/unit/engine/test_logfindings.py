import pytest

from regent_operator.engine.errors import ApiError
from regent_operator.engine.logfindings import LogFindings
from regent_operator.engine.resources import Key
from regent_operator.plan.observation import LogFinding
from tests.unit.engine.fake_client import FakeClient, Object

URL = "http://regent-collector.regent-system.svc:9090/findings"
A, B = Key("AIAgent", "n", "a"), Key("AIAgent", "n", "b")


class Scene:
    def __init__(self, url: str | None = "http://regent-collector.regent-system.svc:8080") -> None:
        self.client = FakeClient()
        self.changed: list[Key] = []
        self.findings = LogFindings(self.client, url, self.changed.append)  # type: ignore[arg-type]

    async def hears(self, *found: tuple[str, str, str]) -> list[Key]:
        """Agents that are told that something has changed."""
        return await self.hears_body(
            {
                "findings": [
                    {"namespace": "n", "agent": agent, "pod": pod, "code": code, "at": 1} for agent, pod, code in found
                ]
            }
        )

    async def hears_body(self, body: Object | ApiError) -> list[Key]:
        self.client.pods[URL] = body
        self.changed.clear()
        await self.findings.look()
        return list(self.changed)


async def test_an_agent_is_told_when_something_else_is_found_of_it_than_before() -> None:
    scene = Scene()
    assert await scene.hears() == []
    assert await scene.hears(("a", "u1", "fork")) == [A]
    assert scene.findings.of(A) == (LogFinding("u1", "fork"),)
    assert await scene.hears(("a", "u1", "fork")) == []
    assert await scene.hears(("a", "u1", "fork"), ("a", "u2", "gap"), ("b", "u3", "gap")) == [A, B]
    assert await scene.hears(("b", "u3", "gap")) == [A]
    assert (scene.findings.of(A), scene.findings.of(B)) == ((), (LogFinding("u3", "gap"),))


@pytest.mark.parametrize(
    "body",
    [
        ApiError(0, "Unreachable", "gone"),
        {"findings": "no list"},
        {"findings": [{"namespace": "n"}]},
        {"findings": [{"namespace": "n", "agent": "a", "pod": "x" * 300, "code": "gap"}]},
        {},
    ],
)
async def test_while_the_collector_says_nothing_of_sense_its_last_word_stands(body: Object | ApiError) -> None:
    scene = Scene()
    await scene.hears(("a", "u1", "fork"))
    assert await scene.hears_body(body) == []
    assert (scene.findings.of(A), scene.findings.silent) == ((LogFinding("u1", "fork"),), True)
    assert await scene.hears() == [A]
    assert not scene.findings.silent


async def test_without_a_collector_nobody_is_asked() -> None:
    scene = Scene(None)
    assert await scene.hears(("a", "u1", "fork")) == []
    assert scene.client.calls == []
