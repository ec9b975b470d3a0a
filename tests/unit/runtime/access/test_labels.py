import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.access.labels import label, within
from regent_runtime.access.personal import PersonalData
from regent_runtime.conversations import Opened, Unread
from regent_runtime.decision import Decision, Stage
from regent_runtime.refusals import Refused
from regent_runtime.state.contract import Conversation
from regent_runtime.wire.request import ChatRequest
from tests.enforces import enforces
from tests.fakes import configs
from tests.unit.runtime.access.test_pictures import image

laws = settings(deadline=None, max_examples=int(os.environ.get("REGENT_LAW_EXAMPLES", "100")))
labels = st.sampled_from(Sensitivity)


def said(*contents: str) -> PersonalData:
    messages = [{"role": "user", "content": content} for content in contents]
    return PersonalData(ChatRequest(messages, False, False, None, None, {}))


NOTHING = said("Hi")
SOMETHING = said("I am ann@example.com.", "Who am I?")


async def of(
    config: AgentConfig,
    declared: str | None = None,
    personal: PersonalData = NOTHING,
    conversation: Opened = None,
) -> Sensitivity:
    return within(config, conversation, (await label(config, declared, personal))[0])[0]


def bears(sensitivity: Sensitivity) -> Conversation:
    return Conversation("id", "owner", sensitivity, "nonce")


def agent(sensitivity: Sensitivity | str, **data: Any) -> AgentConfig:
    return configs.config(sensitivity=sensitivity, policy={"data": data})


@enforces("data.minSensitivity")
@laws
@given(labels, labels, st.none() | labels, st.none() | labels)
async def test_it_is_the_highest_of_all(
    own: Sensitivity, policy: Sensitivity, declared: Sensitivity | None, stored: Sensitivity | None
) -> None:
    conversation = bears(stored) if stored else None
    found = await of(agent(own, minSensitivity=policy), declared, conversation=conversation)

    assert found == max(own, policy, declared or own, stored or own)


@enforces("data.personalData.raisesTo")
@laws
@given(labels, labels)
async def test_personal_data_anywhere_in_the_history_raises_it(own: Sensitivity, to: Sensitivity) -> None:
    config = agent(own, personalData={"raisesTo": to})

    assert await of(config, personal=SOMETHING) == max(own, to)
    assert await of(config, personal=NOTHING) == own


async def test_personal_data_raises_nothing_where_no_policy_says_so() -> None:
    assert await of(agent("Public"), personal=SOMETHING) == Sensitivity.PUBLIC


@pytest.mark.parametrize("nonsense", ["", "Secret", "public", "PUBLIC", "Public, Internal", "Restricted ", "4"])
async def test_a_declared_label_that_is_none_is_refused(nonsense: str) -> None:
    with pytest.raises(Refused) as refused:
        await of(configs.config(), nonsense)
    assert refused.value.refusal.code == "invalid_sensitivity"


async def test_what_raised_it_is_told_with_its_policies() -> None:
    config = configs.config(
        sensitivity="Public",
        policy={"data": {"minSensitivity": "Internal", "personalData": {"raisesTo": "Restricted"}}},
        sources={"data.personalData.raisesTo": ["demo/house"]},
    )

    _, decisions = await label(config, "Confidential", SOMETHING)

    assert decisions == [
        Decision(Stage.LABEL, "Raise", "data.minSensitivity", (), "Internal: the policy's minimum"),
        Decision(Stage.LABEL, "Raise", "", (), "Confidential: declared by the caller"),
        Decision(
            Stage.LABEL,
            "Raise",
            "data.personalData.raisesTo",
            ("demo/house",),
            "Restricted: personal data in the input",
        ),
    ]


async def test_an_image_may_show_personal_data() -> None:
    config = agent("Public", personalData={"raisesTo": "Confidential"})
    unseen = PersonalData(ChatRequest([], False, False, None, None, {}, [image()]))

    found, (told,) = await label(config, None, unseen)

    assert (found, told.reason) == (
        Sensitivity.CONFIDENTIAL,
        "Confidential: an image, which may show personal data",
    )


async def test_what_raises_nothing_is_not_told() -> None:
    config = agent("Internal", minSensitivity="Internal", personalData={"raisesTo": "Internal"})

    assert await label(config, "Internal", SOMETHING) == (Sensitivity.INTERNAL, [])


@laws
@given(st.lists(st.tuples(st.none() | labels, st.booleans()), max_size=6))
async def test_it_never_falls_within_a_conversation(turns: list[tuple[Sensitivity | None, bool]]) -> None:
    config = agent("Public", personalData={"raisesTo": "Confidential"})
    reached: list[Sensitivity] = []
    for declared, personal in turns:
        conversation = bears(reached[-1]) if reached else None
        reached.append(await of(config, declared, SOMETHING if personal else NOTHING, conversation))

    assert reached == sorted(reached)


@enforces("data.unlabelled")
@laws
@given(labels, labels)
async def test_what_was_said_in_a_conversation_that_is_away_counts_as_unlabelled(
    own: Sensitivity, unlabelled: Sensitivity
) -> None:
    assert await of(agent(own, unlabelled=unlabelled), conversation=Unread("nonce")) == max(own, unlabelled)


def test_a_conversation_that_raised_it_is_told() -> None:
    config = configs.config(sources={"data.unlabelled": ["demo/house"]})
    own = Sensitivity.INTERNAL

    told = Decision(Stage.LABEL, "Raise", "", (), "Confidential: borne by the conversation")
    assert within(config, bears(Sensitivity.CONFIDENTIAL), own) == (Sensitivity.CONFIDENTIAL, [told])
    assert within(config, bears(own), own) == (own, [])
    away = "Restricted: a conversation that is away"
    told = Decision(Stage.LABEL, "Raise", "data.unlabelled", ("demo/house",), away)
    assert within(config, Unread("nonce"), own) == (Sensitivity.RESTRICTED, [told])
