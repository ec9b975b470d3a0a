from typing import Any

import pytest

from regent_api.types import Sensitivity
from regent_runtime.access.classes import Treatment, decisions, treatment
from regent_runtime.decision import Decision, Stage
from regent_runtime.refusals import Refused
from tests.enforces import enforces
from tests.fakes import configs

CONFIDENTIAL = Sensitivity.CONFIDENTIAL


every_label = pytest.mark.parametrize("label", Sensitivity)


def of(label: Sensitivity, **stated: Any) -> Treatment:
    return treatment(configs.config(policy={"data": {"classes": {label: stated}}}), label, label)


@every_label
def test_a_class_without_opinions_asks_for_nothing(label: Sensitivity) -> None:
    assert of(label) == Treatment(label, label, frozenset(), anonymize=False, retention_seconds=None)
    of(label).check()


@enforces("data.classes.*.aiProcessing")
@every_label
def test_forbidden_data_reaches_no_model(label: Sensitivity) -> None:
    with pytest.raises(Refused) as refused:
        of(label, aiProcessing=["Deny"]).check()
    assert (refused.value.refusal.status, refused.value.refusal.code) == (403, "data_class_forbidden")


@enforces("data.classes.*.aiProcessing")
@every_label
def test_obligations_do_not_replace_each_other(label: Sensitivity) -> None:
    both = of(label, aiProcessing=["Approve", "LocalOnly"])

    assert (both.local_only, both.needs_approval) == (True, True)
    both.check()


@enforces("data.classes.*.anonymize")
@every_label
def test_a_class_can_ask_for_placeholders(label: Sensitivity) -> None:
    assert of(label, anonymize=True).anonymize


def test_a_class_is_about_its_own_label_alone() -> None:
    config = configs.config(policy={"data": {"classes": {"Restricted": {"aiProcessing": ["Deny"], "anonymize": True}}}})

    for label in (Sensitivity.PUBLIC, Sensitivity.INTERNAL, CONFIDENTIAL):
        assert treatment(config, label, label) == Treatment(
            label, label, frozenset(), anonymize=False, retention_seconds=None
        )


@enforces("data.classes.*.retention")
@every_label
def test_retention_is_that_of_the_label(label: Sensitivity) -> None:
    assert of(label, retentionSeconds=3600).retention_seconds == 3600


def test_each_duty_is_told_with_its_policies() -> None:
    stated = {"aiProcessing": ["Approve", "LocalOnly"]}
    config = configs.config(
        policy={"data": {"classes": {"Confidential": stated}}},
        sources={"data.classes.Confidential.aiProcessing": ["demo/house"]},
    )

    field = "data.classes.Confidential.aiProcessing"
    assert list(decisions(config, treatment(config, CONFIDENTIAL, CONFIDENTIAL))) == [
        Decision(Stage.CLASS, "Approve", field, ("demo/house",), "Confidential"),
        Decision(Stage.CLASS, "LocalOnly", field, ("demo/house",), "Confidential"),
    ]
