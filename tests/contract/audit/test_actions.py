"""What approvers and owners do beside turns, as the log tells it: who, what, by which fields, and before it happened."""

from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import openai
import pytest

from regent_api.audit.record import Kind, Record
from regent_api.audit.subjects import FILE, KeyFile
from regent_api.audit.verify import verify
from regent_runtime.state.pod import PodState
from tests.contract.audit.test_turns import logged, until_logged
from tests.contract.commands import regent
from tests.contract.test_approvals import approvals as asked_of
from tests.contract.test_approvals import ask, decide, refused, requested
from tests.contract.test_approvals import document as approving
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import answers, provider
from tests.fakes.serving import Served, serving

FIELDS = {"approvals.approvers": ["demo/strict"], "approvals.fourEyes": ["demo/strict"]}


def of_actions(directory: Path) -> list[Record]:
    return [each for each in logged(directory) if each.action]


def told(record: Record) -> tuple[str, str, str, str, str]:
    return record.kind, record.action, record.decision, record.outcome, record.code


def pseudonym(directory: Path, subject: str) -> str:
    key = KeyFile(directory / "audit" / FILE).get(subject)
    assert key is not None
    return key.pseudonym


def looks_first(monkeypatch: pytest.MonkeyPatch, method: str, directory: Path) -> list[list[Kind]]:
    """What the log held of actions whenever the state was asked to let one take effect."""
    seen: list[list[Kind]] = []
    real: Callable[..., Awaitable[Any]] = getattr(PodState, method)

    @wraps(real)
    async def look(*arguments: Any) -> Any:
        seen.append([each.kind for each in of_actions(directory)])
        return await real(*arguments)

    monkeypatch.setattr(PodState, method, look)
    return seen


@pytest.mark.parametrize("decision", ["Approve", "Deny"])
async def test_a_verdict_is_an_intent_before_it_counts_and_an_outcome_before_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    seen = looks_first(monkeypatch, "decide", tmp_path)
    async with provider() as fake:
        config = configs.merged(approving(fake.url), {"sources": FIELDS})
        async with serving(tmp_path, config) as served:
            id_ = await requested(served)
            assert (await decide(served, id_, decision))[0] == 200
            assert seen == [[Kind.INTENT]]
            intent, outcome = of_actions(tmp_path)
            digests = (await served.statusz())["digests"]
            if decision == "Approve":
                await ask(served, id_)
    assert told(intent) == ("intent", decision, "Allow", "", "")
    assert told(outcome) == ("outcome", decision, "Allow", "done", "")
    assert [(each.field, each.action, each.policies) for each in intent.decisions] == [
        ("approvals.approvers", "Allow", ["demo/strict"]),
        ("approvals.fourEyes", "Allow", ["demo/strict"]),
    ]
    assert (outcome.turn, outcome.decisions, outcome.approval) == (intent.turn, intent.decisions, intent.approval)
    assert (outcome.policy, outcome.sensitivity, outcome.caller_kind) == (
        digests["policy"],
        "Internal",
        "ServiceAccount",
    )
    assert intent.caller == outcome.caller == pseudonym(tmp_path, "serviceaccount:demo/lead")
    of_turns = [each for each in logged(tmp_path) if each.turn and not each.action]
    assert {each.approval for each in of_turns} == {intent.approval}
    assert {each.caller for each in of_turns} == {pseudonym(tmp_path, "serviceaccount:demo/caller")}
    (found,) = verify(tmp_path / "audit")
    assert (found.problem, found.interrupted) == (None, {})
    everything = b"".join(path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file())
    assert not [word for word in (id_.encode(), b"lead", b"The plan") if word in everything]
    code, exported, _ = regent("audit", "export", str(tmp_path / "audit"), "--subject", "serviceaccount:demo/lead")
    assert (code, exported.count(f'"action":"{decision}"')) == (0, 2)


async def test_looking_at_a_turn_leaves_a_record_too(tmp_path: Path) -> None:
    async with provider() as fake, serving(tmp_path, approving(fake.url)) as served:
        assert (await asked_of(served, "GET", await requested(served)))[0] == 200
    assert [told(each) for each in of_actions(tmp_path)] == [
        ("intent", "View", "Allow", "", ""),
        ("outcome", "View", "Allow", "done", ""),
    ]


@enforces("audit.onFailure")
async def test_a_verdict_that_cannot_be_written_down_is_none(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("no folder can be here")
    async with provider() as fake, serving(tmp_path, approving(fake.url)) as served:
        id_ = await requested(served)
        assert await decide(served, id_) == (503, "audit_unavailable")
        status, answer = await asked_of(served, "GET", id_)
        assert (status, answer["error"]["code"]) == (503, "audit_unavailable")
        assert (await refused(served, id_)).code == "approval_pending"


@enforces("audit.onFailure")
async def test_with_continue_the_verdict_counts_and_the_loss_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("no folder can be here")
    async with provider() as fake:
        config = configs.merged(approving(fake.url), {"policy": {"audit": {"onFailure": "Continue"}}})
        async with serving(tmp_path, config) as served:
            id_ = await requested(served)
            assert await decide(served, id_) == (200, "Approved")
            (tmp_path / "audit").unlink()
            await ask(served, id_)
    lost = next(each for each in logged(tmp_path) if each.kind is Kind.LOST)
    assert (lost.counts["intent"], lost.counts["outcome"]) == (1, 1)


async def test_a_verdict_that_is_refused_has_one_record_and_takes_no_effect(tmp_path: Path) -> None:
    async with provider() as fake, serving(tmp_path, approving(fake.url)) as served:
        id_ = await requested(served)
        assert await decide(served, id_, approver="other") == (403, "not_an_approver")
        assert await decide(served, id_, approver="caller") == (403, "own_approval")
        assert await decide(served, id_, approver=None) == (401, "token_missing")
        assert (await refused(served, id_)).code == "approval_pending"
        assert await served.series("regent_unauthorized_total") == {
            'regent_unauthorized_total{code="not_an_approver"}': 1.0,
            'regent_unauthorized_total{code="own_approval"}': 1.0,
            'regent_unauthorized_total{code="token_missing"}': 1.0,
        }
        await until_logged(tmp_path, lambda records: sum(bool(each.action) for each in records) == 3)
    found = of_actions(tmp_path)
    assert [told(each) for each in found] == [
        ("refused", "Approve", "Deny", "refused", "not_an_approver"),
        ("refused", "Approve", "Deny", "refused", "own_approval"),
        ("refused", "Decide", "Deny", "refused", "token_missing"),
    ]
    assert [each.flags for each in found] == [["unauthorized"]] * 3
    assert [each.decisions[-1].field for each in found] == [
        "approvals.approvers",
        "approvals.fourEyes",
        "callers.anonymous",
    ]
    assert [bool(each.caller) for each in found] == [True, True, False]


async def test_a_verdict_that_came_too_late_says_so(tmp_path: Path) -> None:
    async with provider() as fake, serving(tmp_path, approving(fake.url)) as served:
        id_ = await requested(served)
        await decide(served, id_, "Deny")
        assert await decide(served, id_, "Approve") == (409, "approval_decided")
        records = await until_logged(tmp_path, lambda found: sum(each.kind is Kind.OUTCOME for each in found) == 2)
    assert [told(each) for each in records if each.action][-2:] == [
        ("intent", "Approve", "Allow", "", ""),
        ("outcome", "Approve", "Deny", "refused", "approval_decided"),
    ]


def conversing(url: str, **audit: Any) -> dict[str, Any]:
    return configs.document(
        configs.provider_config("local", url), state={"conversations": True}, policy={"audit": audit}
    )


async def begun(served: Served, id_: str | None = None) -> tuple[int, str]:
    """Status and id of the conversation that a turn began, or went on with."""
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    status, _, headers = await served.post(body, headers={"X-Regent-Conversation": id_} if id_ else {})
    return status, headers.get("x-regent-conversation", "")


async def test_a_deletion_is_an_intent_before_it_happens_and_an_outcome_before_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looks_first(monkeypatch, "forget", tmp_path)
    async with provider(answers("Hi.")) as fake, serving(tmp_path, conversing(fake.url)) as served:
        _, id_ = await begun(served)
        with pytest.raises(openai.NotFoundError):
            await served.sdk(configs.token("other")).conversations.delete(id_)
        assert seen == []
        await until_logged(tmp_path, lambda records: any(each.action for each in records))
        assert (await served.sdk().conversations.delete(id_)).deleted
        assert seen == [[Kind.REFUSED, Kind.INTENT]]
        other, intent, outcome = of_actions(tmp_path)
        assert (await begun(served, id_))[0] == 404
    assert told(other) == ("refused", "Delete", "Deny", "refused", "conversation_not_found")
    assert (other.conversation, other.caller) == ("", pseudonym(tmp_path, "serviceaccount:demo/other"))
    assert told(intent) == ("intent", "Delete", "Allow", "", "")
    assert told(outcome) == ("outcome", "Delete", "Allow", "done", "")
    assert (intent.conversation, outcome.conversation, intent.sensitivity) == (id_, id_, "Internal")
    assert [each.field for each in intent.decisions] == ["callers.serviceAccounts"]
    assert intent.caller == outcome.caller == pseudonym(tmp_path, "serviceaccount:demo/caller")


@enforces("audit.onFailure", "audit.durability")
async def test_a_deletion_that_cannot_be_written_down_does_not_happen(tmp_path: Path) -> None:
    async with provider(answers("Hi.")) as fake, serving(tmp_path, conversing(fake.url)) as served:
        _, id_ = await begun(served)
        nowhere = conversing(fake.url, durability="Collector")
        for config, status in ((nowhere, 503), (conversing(fake.url), 200)):
            before = (await served.statusz())["digests"]["config"]
            served.volume.write(config)
            await served.until(lambda said, old=before: said["digests"]["config"] != old)
            headers = {"Authorization": f"Bearer {configs.token()}"}
            async with served.http.delete(f"{served.url}/v1/conversations/{id_}", headers=headers) as answer:
                assert answer.status == status
                if status == 503:
                    assert (await answer.json())["error"]["code"] == "audit_unavailable"
