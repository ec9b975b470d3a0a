"""The flow of an approval, with the state in the pod: who may do what, once, and for exactly what was seen."""

import secrets
import threading
import zlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from regent_api.types import Sensitivity
from regent_runtime.access import approvals
from regent_runtime.access.approvals import Approvals, Case
from regent_runtime.access.sealed import Seal, SealBroken, new_name
from regent_runtime.callers import ANONYMOUS, Caller, CallerKind
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.state.contract import Approval, StateAway, StateFull, Verdict, hashed
from regent_runtime.state.pod import PodState
from regent_runtime.wire.request import ChatRequest
from tests.enforces import enforces
from tests.fakes import configs

CALLER = Caller(CallerKind.SERVICE_ACCOUNT, "caller", "demo")
LEAD = Caller(CallerKind.SERVICE_ACCOUNT, "lead", "demo")
AUDITOR = Caller(CallerKind.OIDC, "ann", issuer="https://issuer.example", groups=frozenset({"auditors"}), vouched=True)
BOTH = {"subjects": ["system:serviceaccount:demo:lead", "system:serviceaccount:demo:caller"], "groups": ["auditors"]}
REQUEST = ChatRequest([{"role": "user", "content": "Secret plan"}], False, False, None, None, {"stop": ["End"]})
TURN = Case(CALLER, b'{"messages": []}', "sha256:1", Sensitivity.INTERNAL, REQUEST)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class House:
    """One agent's approvals under a policy that tests vary."""

    def __init__(self, state: Any = None, **policy: Any) -> None:
        self.clock = Clock()
        self.state = state or PodState(self.clock)
        self.with_policy(**policy)

    def with_policy(self, **policy: Any) -> None:
        stated = {"approvers": [[BOTH]], "ttlSeconds": 900, "fourEyes": True, **policy}
        self.approvals = Approvals(self.state, configs.config(policy={"approvals": stated}), self.clock)

    async def asked(self, turn: Case = TURN) -> str:
        return str((await self.approvals.request(turn, TurnRecord())).details["approval"]["id"])

    async def decide(self, name: str, approver: Caller, verdict: Verdict, record: TurnRecord | None = None) -> None:
        await self.approvals.decide(await self.approvals.judge(name, approver, record or TurnRecord()), verdict)

    async def approved(self, approver: Caller = LEAD, verdict: Verdict = Verdict.APPROVED) -> str:
        name = await self.asked()
        await self.decide(name, approver, verdict)
        return name


async def code(awaitable: Any) -> str:
    with pytest.raises(Refused) as refused:
        await awaitable
    return refused.value.refusal.code


async def test_a_turn_waits_is_shown_is_approved_and_passes() -> None:
    house = House()
    required = await house.approvals.request(TURN, TurnRecord())
    name = required.details["approval"]["id"]

    assert (required.refusal.status, required.refusal.code) == (403, "approval_required")
    assert required.details["approval"]["expiresAt"] == "1970-01-01T00:31:40Z"
    shown, verdict = await house.approvals.show(name, LEAD, TurnRecord())
    assert (shown.caller, shown.sensitivity, shown.messages, shown.parameters, verdict) == (
        "system:serviceaccount:demo:caller",
        Sensitivity.INTERNAL,
        REQUEST.messages,
        {"stop": ["End"]},
        Verdict.PENDING,
    )
    assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_pending"
    await house.decide(name, LEAD, Verdict.APPROVED)
    await house.approvals.use(TURN, name, TurnRecord())


async def test_the_records_of_request_verdict_and_turn_name_one_approval() -> None:
    house = House()
    asked, verdict, used = TurnRecord(), TurnRecord(), TurnRecord()
    name = str((await house.approvals.request(TURN, asked)).details["approval"]["id"])
    await house.decide(name, LEAD, Verdict.APPROVED, verdict)
    await house.approvals.use(TURN, name, used)

    assert asked.approval == verdict.approval == used.approval == Seal.of(name, "regent.dev/demo/helper").id
    assert (name in verdict.approval, verdict.sensitivity) == (False, Sensitivity.INTERNAL)
    assert [(each.action, each.field) for each in verdict.decisions] == [
        ("Allow", "approvals.approvers"),
        ("Allow", "approvals.fourEyes"),
    ]


class Away:
    """A state that has no answer."""

    async def propose(self, approval: Approval, ttl_seconds: float) -> None:
        raise StateAway("down")

    async def approval(self, id_: str) -> Approval | None:
        raise StateAway("down")


FIELD = "data.classes.Internal.aiProcessing"


async def test_a_turn_passes_with_an_approval_and_never_without() -> None:
    house, record = House(), TurnRecord()
    with pytest.raises(Refused) as refused:
        await house.approvals.check(TURN, None, record)
    assert (refused.value.refusal.code, refused.value.field) == ("approval_required", FIELD)
    assert record.decisions == []

    await house.approvals.check(TURN, await house.approved(), record)
    assert [(each.action, each.field, each.reason) for each in record.decisions] == [("Allow", FIELD, "approved")]


async def test_a_refusal_names_the_field_behind_it() -> None:
    with pytest.raises(Refused) as refused:
        await House(approvers=[]).approvals.check(TURN, None, TurnRecord())
    assert refused.value.field == "approvals.approvers"


@pytest.mark.parametrize("name", [None, "a" * 43])
async def test_without_the_state_nothing_passes(name: str | None) -> None:
    house = House(state=Away())
    with pytest.raises(Refused) as refused:
        await house.approvals.check(TURN, name, TurnRecord())
    assert (refused.value.refusal.code, refused.value.retry_after) == ("state_unavailable", 1)


async def test_what_can_be_no_name_never_asks_the_state() -> None:
    house = House(state=Away())
    for name in ("", "x", "a" * 42, "a" * 44, "é" * 43):
        assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_invalid"


async def test_what_was_changed_in_the_state_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    name = await house.asked()
    kept = await house.state.approval(Seal.of(name, "regent.dev/demo/helper").id)
    assert kept is not None
    changed = replace(kept, content=kept.content[:-1] + bytes([kept.content[-1] ^ 1]))

    async def approval(id_: str) -> Approval:
        return changed

    monkeypatch.setattr(house.state, "approval", approval)
    assert await code(house.approvals.show(name, LEAD, TurnRecord())) == "not_found"


async def test_nothing_of_a_turn_stands_in_a_representation() -> None:
    house = House()
    judged = await house.approvals.judge(await house.asked(), LEAD, TurnRecord())
    assert "Secret plan" not in f"{TURN}{judged}"


async def test_it_is_used_once() -> None:
    house = House()
    name = await house.approved()
    await house.approvals.use(TURN, name, TurnRecord())

    assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_invalid"
    assert await code(house.approvals.show(name, LEAD, TurnRecord())) == "not_found"


async def test_a_denied_turn_does_not_pass() -> None:
    house = House()
    name = await house.approved(verdict=Verdict.DENIED)

    assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_denied"
    assert await code(house.decide(name, AUDITOR, Verdict.APPROVED)) == "approval_decided"
    assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_denied"


@pytest.mark.parametrize(("first", "second"), [(LEAD, AUDITOR), (AUDITOR, LEAD)])
@pytest.mark.parametrize("verdict", [Verdict.APPROVED, Verdict.DENIED])
async def test_the_first_decision_stands(first: Caller, second: Caller, verdict: Verdict) -> None:
    house = House()
    name = await house.approved(first)

    assert await code(house.decide(name, second, verdict)) == "approval_decided"
    assert await code(house.decide(name, first, Verdict.DENIED)) == "approval_decided"
    await house.decide(name, first, Verdict.APPROVED)


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b'{"messages": [] }'},
        {"caller": LEAD},
        {"caller": replace(CALLER, namespace="other")},
        {"policy": "sha256:2"},
        {"sensitivity": Sensitivity.CONFIDENTIAL},
        {"sensitivity": Sensitivity.PUBLIC},
    ],
)
async def test_it_is_for_that_turn_alone(changed: dict[str, Any]) -> None:
    house = House()
    name, pending = await house.approved(), await house.asked()

    for each in (name, pending):
        assert await code(house.approvals.use(replace(TURN, **changed), each, TurnRecord())) == "approval_invalid"
    await house.approvals.use(TURN, name, TurnRecord())


@enforces("approvals.approvers.groups", "approvals.approvers.subjects")
async def test_only_approvers_see_and_decide() -> None:
    house = House()
    name = await house.asked()

    for stranger in (replace(LEAD, name="other"), replace(LEAD, namespace="other"), ANONYMOUS):
        assert await code(house.approvals.show(name, stranger, TurnRecord())) == "not_an_approver"
        assert await code(house.decide(name, stranger, Verdict.APPROVED)) == "not_an_approver"
    await house.decide(name, AUDITOR, Verdict.APPROVED)


@enforces("approvals.approvers.groups", "approvals.approvers.subjects")
async def test_an_approver_of_one_policy_of_two_is_none() -> None:
    house = House(approvers=[[BOTH], [{"groups": ["auditors"]}]])
    name = await house.asked()

    assert await code(house.decide(name, LEAD, Verdict.APPROVED)) == "not_an_approver"
    await house.decide(name, AUDITOR, Verdict.APPROVED)


@enforces("approvals.approvers.subjects")
async def test_without_approvers_such_turns_are_denied() -> None:
    assert await code(House(approvers=[]).approvals.request(TURN, TurnRecord())) == "data_class_forbidden"


@enforces("approvals.approvers.groups", "approvals.approvers.subjects")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"subjects": ["ann"]}, {"subjects": ["bob"]}),
        ({"subjects": ["system:serviceaccount:demo:lead"]}, {"groups": ["auditors"]}),
    ],
)
async def test_an_approval_that_nobody_can_give_is_not_asked_for(one: dict[str, Any], other: dict[str, Any]) -> None:
    together = House(approvers=[[one], [other]]).approvals
    with pytest.raises(Refused) as refused:
        await together.check(TURN, None, TurnRecord())
    assert (refused.value.refusal.code, refused.value.field) == ("data_class_forbidden", "approvals.approvers")
    for alone in (one, other):
        assert await House(approvers=[[alone]]).asked()


async def test_a_member_of_both_policies_groups_may_approve() -> None:
    house = House(approvers=[[{"groups": ["auditors"]}], [{"groups": ["leads"]}]])
    await house.decide(await house.asked(), replace(AUDITOR, groups=frozenset({"auditors", "leads"})), Verdict.APPROVED)


@enforces("approvals.fourEyes")
async def test_four_eyes_are_not_two() -> None:
    house = House()
    name = await house.asked()
    assert await code(house.decide(name, CALLER, Verdict.APPROVED)) == "own_approval"
    assert await code(house.decide(name, CALLER, Verdict.DENIED)) == "own_approval"
    for number in range(8):
        await house.approvals.judge(name, replace(AUDITOR, name=f"ann-{number}"), TurnRecord())
    await house.decide(name, LEAD, Verdict.APPROVED)

    house.with_policy(fourEyes=False)
    name = await house.asked()
    await house.decide(name, CALLER, Verdict.APPROVED)


def named_before(caller: Caller) -> str:
    """How a pod of the version before names a caller in the state that they share."""
    return hashed(caller.identity)


@enforces("approvals.fourEyes")
async def test_four_eyes_are_not_two_where_a_pod_of_before_was_asked() -> None:
    house = House()
    name = await house.asked()
    kept = await house.state.approval(Seal.of(name, "regent.dev/demo/helper").id)
    assert kept is not None
    await house.state.propose(replace(kept, owner=named_before(CALLER)), 60)
    for verdict in (Verdict.APPROVED, Verdict.DENIED):
        assert await code(house.decide(name, CALLER, verdict)) == "own_approval"
    await house.decide(name, LEAD, Verdict.APPROVED)


@enforces("approvals.fourEyes")
async def test_four_eyes_are_not_two_where_a_pod_of_before_took_the_verdict() -> None:
    """It did not know whose turn it was."""
    house = House()
    name, others = await house.asked(), await house.asked()
    for each, approver in ((name, CALLER), (others, LEAD)):
        id_ = Seal.of(each, "regent.dev/demo/helper").id
        await house.state.decide(id_, Verdict.APPROVED, named_before(approver))
    assert await code(house.approvals.use(TURN, name, TurnRecord())) == "own_approval"
    await house.approvals.use(TURN, others, TurnRecord())

    house.with_policy(fourEyes=False)
    await house.approvals.use(TURN, name, TurnRecord())


async def test_a_verdict_that_a_pod_of_before_took_can_be_repeated() -> None:
    house = House()
    name = await house.asked()
    id_ = Seal.of(name, "regent.dev/demo/helper").id
    await house.state.decide(id_, Verdict.APPROVED, named_before(LEAD))
    await house.decide(name, LEAD, Verdict.APPROVED)
    assert await code(house.decide(name, AUDITOR, Verdict.APPROVED)) == "approval_decided"


@enforces("approvals.fourEyes")
async def test_an_anonymous_caller_may_be_anybody() -> None:
    anonymous = replace(TURN, caller=ANONYMOUS)

    assert await code(House().approvals.request(anonymous, TurnRecord())) == "data_class_forbidden"
    assert await House(fourEyes=False).asked(anonymous)


@enforces("approvals.ttl")
async def test_it_ends_by_itself() -> None:
    house = House(ttlSeconds=60)
    assert (await house.approvals.request(TURN, TurnRecord())).details["approval"][
        "expiresAt"
    ] == "1970-01-01T00:17:40Z"
    pending, approved = await house.asked(), await house.approved()

    house.clock.now += 60

    assert await code(house.approvals.show(pending, LEAD, TurnRecord())) == "not_found"
    assert await code(house.decide(pending, LEAD, Verdict.APPROVED)) == "not_found"
    assert await code(house.approvals.use(TURN, approved, TurnRecord())) == "approval_invalid"


async def test_names_that_were_never_given_are_unknown() -> None:
    house = House()

    for name in ("", "x", "é" * 43, new_name()):
        assert await code(house.approvals.use(TURN, name, TurnRecord())) == "approval_invalid"
        assert await code(house.approvals.show(name, LEAD, TurnRecord())) == "not_found"


async def test_what_nobody_could_be_shown_whole_is_refused() -> None:
    random = "".join(new_name() for _ in range(3000))
    long = replace(TURN, request=replace(REQUEST, messages=[{"role": "user", "content": random}]))

    assert await code(House().approvals.request(long, TurnRecord())) == "approval_too_large"


async def test_what_says_little_at_length_is_shown_whole_or_refused() -> None:
    house = House()
    shown, _ = await house.approvals.show(await house.asked(), LEAD, TurnRecord())
    room = 4 * 1024 * 1024 - len(msgspec.json.encode(shown)) + len("Secret plan")

    def saying(characters: int) -> Case:
        return replace(TURN, request=replace(REQUEST, messages=[{"role": "user", "content": "a" * characters}]))

    shown, _ = await house.approvals.show(await house.asked(saying(room)), LEAD, TurnRecord())
    assert shown.messages == saying(room).request.messages
    assert await code(house.approvals.request(saying(room + 1), TurnRecord())) == "approval_too_large"


@pytest.mark.parametrize(
    ("size", "on_the_loop", "beside"), [(10_000, True, False), (1_000_000, False, True), (5_000_000, False, False)]
)
async def test_the_event_loop_compresses_little_and_nobody_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch, size: int, on_the_loop: bool, beside: bool
) -> None:
    """Counted, not timed: whether anything was compressed in the loop's thread, and in another one."""
    threads: list[int] = []

    def counted(data: bytes) -> bytes:
        threads.append(threading.get_ident())
        return zlib.compress(data)

    monkeypatch.setattr(approvals, "zlib", SimpleNamespace(compress=counted))
    long = replace(TURN, request=replace(REQUEST, messages=[{"role": "user", "content": "a" * size}]))
    assert await code(House().approvals.check(long, None, TurnRecord())) == (
        "approval_required" if on_the_loop or beside else "approval_too_large"
    )
    ours = threading.get_ident()
    assert (ours in threads, any(each != ours for each in threads)) == (on_the_loop, beside)


async def test_one_callers_requests_take_the_places_of_nobody_else() -> None:
    house = House()
    for _ in range(16):
        await house.asked()
    with pytest.raises(Refused) as refused:
        await house.asked()
    assert (refused.value.refusal.code, refused.value.refusal.status) == ("too_many_approvals", 429)
    await house.asked(replace(TURN, caller=LEAD))


async def test_no_more_turns_wait_than_the_state_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()

    async def full(approval: Approval, ttl_seconds: float) -> None:
        del approval, ttl_seconds
        raise StateFull

    monkeypatch.setattr(house.state, "propose", full)
    with pytest.raises(Refused) as refused:
        await house.asked()
    assert (refused.value.refusal.code, refused.value.retry_after) == ("state_unavailable", 60)


async def test_the_state_holds_neither_the_name_nor_what_is_shown() -> None:
    house = House()
    name = await house.asked()
    seal = Seal.of(name, "regent.dev/demo/helper")
    kept = await house.state.approval(seal.id)

    assert kept is not None
    for secret in (name, "Secret plan", "demo", "caller"):
        assert secret not in repr(replace(kept, content=b""))
        assert secret.encode() not in kept.content
    assert b"Secret plan" in zlib.decompress(seal.open(kept.content))


async def test_another_agents_approvals_are_unknown() -> None:
    house = House()
    name = await house.approved()
    config = configs.config(agent={"name": "other"}, policy={"approvals": {"approvers": [[BOTH]]}})
    other = Approvals(house.state, config, house.clock)

    assert await code(other.use(TURN, name, TurnRecord())) == "approval_invalid"
    assert await code(other.show(name, LEAD, TurnRecord())) == "not_found"


def test_a_seal_opens_for_its_own_name_and_bytes_alone() -> None:
    seal = Seal.of("name", "agent")
    sealed = seal.close(b"content")

    assert seal.open(sealed) == b"content"
    assert "key" not in repr(seal)
    assert seal.close(b"content") != sealed
    for other in (Seal.of("other", "agent"), Seal.of("name", "other")):
        with pytest.raises(SealBroken):
            other.open(sealed)
    for changed in (b"", sealed[:-1], sealed[:12], bytes([sealed[0] ^ 1]) + sealed[1:], sealed + b"x"):
        with pytest.raises(SealBroken):
            seal.open(changed)


def test_a_binding_tells_its_parts_apart() -> None:
    seal = Seal.of("name", "agent")

    assert seal.binding([b"ab", b"c"]) != seal.binding([b"a", b"bc"])
    assert seal.binding([b"ab"]) != Seal.of("other", "agent").binding([b"ab"])


def test_replicas_of_any_version_find_and_open_the_same() -> None:
    seal = Seal.of("name", "agent")
    sealed = bytes.fromhex("c927493e7aed8f4021b767ab8472262c14bb99b2e851d3a76453cdd9201f690c682637")

    assert seal.id == "77133425ffd861c6901ad778cec348d9cdbef4c41c1e975ffb13329525b6a262"
    assert seal.binding([b"ab", b"c"]) == "ba9ceb7a2ada2a767a7a1c013aa0198ba0b2e6eb246a2dd1413a457d05707eda"
    assert seal.open(sealed) == b"content"


def test_no_id_reads_as_an_option_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["-begins-with-a-hyphen", "begins-with-a-letter"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(drawn))
    assert new_name() == "begins-with-a-letter"
