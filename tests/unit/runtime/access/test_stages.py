"""The stages as a turn calls them: what they decide, what they write down, and what a model sees."""

import threading
from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.access import stages
from regent_runtime.access.anonymise import Anonymised, anonymise
from regent_runtime.access.classes import treatment
from regent_runtime.access.personal import PersonalData
from regent_runtime.access.placeholders import nonce
from regent_runtime.access.stages import Veil, veil, weigh
from regent_runtime.callers import ANONYMOUS, Caller, CallerKind
from regent_runtime.conversations import Opened, Unread
from regent_runtime.decision import Decision, Stage
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import Refused
from regent_runtime.state.contract import Conversation
from regent_runtime.wire.answer import Chunk
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

INTERNAL, CONFIDENTIAL, RESTRICTED = Sensitivity.INTERNAL, Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED
REQUEST = ChatRequest([{"role": "user", "content": "I am ann@example.com."}], False, False, None, None, {})
CALLER = Caller(CallerKind.SERVICE_ACCOUNT, "caller", "demo")
CONVERSATION = Conversation("id", "owner", CONFIDENTIAL, "secret")


def config(**data: Any) -> AgentConfig:
    return configs.config(policy={"data": data})


async def weighed(
    config: AgentConfig, conversation: Opened = None, declared: str | None = None
) -> tuple[Sensitivity, Sensitivity, TurnRecord]:
    """The label, what the turn reached by itself, and the record."""
    record = TurnRecord()
    chosen = await weigh(config, declared, conversation, PersonalData(REQUEST), record)
    return chosen.sensitivity, chosen.own, record


async def test_a_turn_without_opinions_bears_the_agents_label() -> None:
    sensitivity, own, record = await weighed(config())

    assert (sensitivity, own, record.sensitivity, record.decisions) == (INTERNAL, INTERNAL, "Internal", [])


async def test_a_conversation_raises_the_label_and_not_what_the_turn_reached_by_itself() -> None:
    sensitivity, own, record = await weighed(config(), CONVERSATION)

    assert (sensitivity, own, record.sensitivity) == (CONFIDENTIAL, INTERNAL, "Confidential")
    assert [each.action for each in record.decisions] == ["Raise"]


async def test_each_thing_that_decided_is_written_down_in_order() -> None:
    classes = {"Restricted": {"aiProcessing": ["LocalOnly"]}}
    stated = config(personalData={"raisesTo": "Confidential"}, classes=classes)

    _, _, record = await weighed(stated, Unread("nonce"))

    assert [(each.stage, each.action, each.field) for each in record.decisions] == [
        (Stage.LABEL, "Raise", "data.personalData.raisesTo"),
        (Stage.LABEL, "Raise", "data.unlabelled"),
        (Stage.CLASS, "LocalOnly", "data.classes.Restricted.aiProcessing"),
    ]


async def test_forbidden_data_is_refused_with_its_label_written_down() -> None:
    record = TurnRecord()
    stated = config(classes={"Restricted": {"aiProcessing": ["Deny"]}})

    chosen = await weigh(stated, "Restricted", None, PersonalData(REQUEST), record)

    with pytest.raises(Refused) as refused:
        chosen.check()
    assert refused.value.field == "data.classes.Restricted.aiProcessing"
    assert record.sensitivity == "Restricted"


async def veiled(
    config: AgentConfig, caller: Caller = CALLER, conversation: Opened = CONVERSATION, request: ChatRequest = REQUEST
) -> tuple[Veil, TurnRecord]:
    record = TurnRecord()
    chosen = treatment(config, INTERNAL, INTERNAL)
    return await veil(config, chosen, request, PersonalData(request), caller, conversation, record), record


async def lifted(drawn: Veil) -> str:
    """What the caller reads when the model echoes what it sees."""

    said: list[Chunk] = []

    async def release(chunk: Chunk) -> None:
        said.append(chunk)

    await drawn.lifting(release)(Chunk(drawn.request.messages[0]["content"], finish_reason="stop"))
    return "".join(chunk.content for chunk in said)


def anonymised(*readers: list[str]) -> AgentConfig:
    return config(classes={"Internal": {"anonymize": True}}, personalData={"readers": list(readers)})


async def test_without_the_class_there_is_no_veil() -> None:
    drawn, record = await veiled(config())

    assert drawn.request is REQUEST
    assert record.decisions == []
    assert await lifted(drawn) == "I am ann@example.com."


async def test_a_model_sees_placeholders_with_the_conversations_nonce() -> None:
    drawn, record = await veiled(anonymised(["system:serviceaccounts:demo"]))

    assert drawn.request.messages[0]["content"] == f"I am [EMAIL_1_{nonce('secret')}]."
    assert record.decisions == [
        Decision(Stage.ANONYMIZE, "Anonymize", "data.classes.Internal.anonymize", (), "1 values")
    ]
    assert await lifted(drawn) == "I am ann@example.com."


async def test_turns_without_a_conversation_have_nonces_of_their_own() -> None:
    one, _ = await veiled(anonymised(), conversation=None)
    other, _ = await veiled(anonymised(), conversation=None)

    assert one.request.messages != other.request.messages


@pytest.mark.parametrize(
    ("readers", "caller"),
    [
        ([], CALLER),
        ([["others"]], CALLER),
        ([["system:serviceaccounts:demo"], ["others"]], CALLER),
        ([["system:serviceaccounts:demo"]], ANONYMOUS),
    ],
)
async def test_who_is_no_reader_gets_placeholders(readers: list[list[str]], caller: Caller) -> None:
    drawn, _ = await veiled(anonymised(*readers), caller)

    assert await lifted(drawn) == drawn.request.messages[0]["content"]
    assert "ann@example.com" not in await lifted(drawn)


@pytest.mark.parametrize(
    ("characters", "values", "beside"),
    [(20, 1, True), (21, 1, False), (1000, 0, True), (1000, 5, False), (20, 0, True)],
)
async def test_what_takes_long_is_veiled_alike_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, characters: int, values: int, beside: bool
) -> None:
    threads: list[threading.Thread] = []

    def watched(*asked: Any) -> Anonymised:
        threads.append(threading.current_thread())
        return anonymise(*asked)

    monkeypatch.setattr(stages, "QUICK_CHARACTERS", characters)
    monkeypatch.setattr(stages, "QUICK_VALUES", values)
    monkeypatch.setattr(stages, "anonymise", watched)

    drawn, _ = await veiled(anonymised())

    assert drawn.request.messages[0]["content"] == f"I am [EMAIL_1_{nonce('secret')}]."
    assert [thread is not threading.main_thread() for thread in threads] == [beside]
