from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.config import AgentConfig
from regent_api.types import Sensitivity
from regent_runtime.access.labels import label
from regent_runtime.access.personal import PersonalData
from regent_runtime.decision import Decision, Stage
from regent_runtime.refusals import Refused
from regent_runtime.wire.openai_chat import ChatRequest
from tests.enforces import enforces
from tests.fakes import configs

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
    stored: Sensitivity | None = None,
) -> Sensitivity:
    return (await label(config, declared, stored, personal))[0]


def agent(sensitivity: Sensitivity | str, **data: Any) -> AgentConfig:
    return configs.config(sensitivity=sensitivity, policy={"data": data})


@enforces("data.minSensitivity")
@given(labels, labels, st.none() | labels, st.none() | labels)
async def test_it_is_the_highest_of_all(
    own: Sensitivity, policy: Sensitivity, declared: Sensitivity | None, stored: Sensitivity | None
) -> None:
    found = await of(agent(own, minSensitivity=policy), declared, stored=stored)

    assert found == max(own, policy, declared or own, stored or own)


@enforces("data.personalData.raisesTo")
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

    _, decisions = await label(config, "Confidential", Sensitivity.INTERNAL, SOMETHING)

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


@given(st.lists(st.tuples(st.none() | labels, st.booleans()), max_size=6))
async def test_it_never_falls_within_a_conversation(turns: list[tuple[Sensitivity | None, bool]]) -> None:
    config = agent("Public", personalData={"raisesTo": "Confidential"})
    reached: list[Sensitivity] = []
    for declared, personal in turns:
        stored = reached[-1] if reached else None
        reached.append(await of(config, declared, SOMETHING if personal else NOTHING, stored))

    assert reached == sorted(reached)
