from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_api.types import Sensitivity
from regent_runtime.access.labels import Stored, Unreadable, label
from regent_runtime.decision import Decision, Stage
from regent_runtime.refusals import Refused
from tests.enforces import enforces
from tests.fakes import configs

labels = st.sampled_from(Sensitivity)
PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = Sensitivity


def no() -> bool:
    return False


def yes() -> bool:
    return True


def never() -> bool:
    raise AssertionError("nothing can rise, so nothing is searched")


@enforces("data.minSensitivity")
@given(labels, labels, st.none() | labels, st.none() | labels)
def test_it_is_the_highest_of_all(
    agent: Sensitivity, policy: Sensitivity, declared: Sensitivity | None, stored: Sensitivity | None
) -> None:
    config = configs.config(sensitivity=agent, policy={"data": {"minSensitivity": policy}})

    found, _ = label(config, declared, stored, no)

    assert found == max(agent, policy, declared or PUBLIC, stored or PUBLIC)


@enforces("data.personalData.raisesTo")
@given(labels, labels)
def test_personal_data_raises_it(agent: Sensitivity, to: Sensitivity) -> None:
    config = configs.config(sensitivity=agent, policy={"data": {"personalData": {"raisesTo": to}}})

    assert label(config, None, None, yes)[0] == max(agent, to)
    assert label(config, None, None, no)[0] == agent


def test_nothing_is_searched_where_it_could_raise_nothing() -> None:
    silent = configs.config(sensitivity="Internal")
    lower = configs.config(sensitivity="Internal", policy={"data": {"personalData": {"raisesTo": "Internal"}}})

    assert label(silent, None, None, never)[0] == INTERNAL
    assert label(lower, None, None, never)[0] == INTERNAL


@enforces("data.unlabelled")
@pytest.mark.parametrize(("unlabelled", "expected"), [("Public", INTERNAL), ("Confidential", CONFIDENTIAL)])
def test_a_conversation_whose_label_cannot_be_read_counts_as_unlabelled(unlabelled: str, expected: Sensitivity) -> None:
    config = configs.config(sensitivity="Internal", policy={"data": {"unlabelled": unlabelled}})

    assert label(config, None, Unreadable.LABEL, no)[0] == expected


@pytest.mark.parametrize("nonsense", ["", "Secret", "public", "PUBLIC", "Public, Internal", "Restricted ", "4"])
def test_a_declared_label_that_is_none_is_refused(nonsense: str) -> None:
    with pytest.raises(Refused) as refused:
        label(configs.config(), nonsense, None, no)
    assert refused.value.refusal.code == "invalid_sensitivity"


def test_what_raised_it_is_told_with_its_policies() -> None:
    config = configs.config(
        sensitivity="Public",
        policy={"data": {"minSensitivity": "Internal", "personalData": {"raisesTo": "Restricted"}}},
        sources={"data.personalData.raisesTo": ["demo/house"]},
    )

    _, decisions = label(config, "Confidential", INTERNAL, yes)

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
def test_it_never_falls_within_a_conversation(turns: list[tuple[Sensitivity | None, bool]]) -> None:
    config = configs.config(sensitivity="Public", policy={"data": {"personalData": {"raisesTo": "Confidential"}}})

    def conversation() -> Iterator[Sensitivity]:
        stored: Stored = None
        for declared, personal in turns:
            stored, _ = label(config, declared, stored, yes if personal else no)
            yield stored

    reached = list(conversation())
    assert reached == sorted(reached)
