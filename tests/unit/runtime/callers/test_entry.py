from pathlib import Path

import pytest

from regent_runtime.callers import Callers
from regent_runtime.callers.entry import enter
from regent_runtime.credentials import Credentials
from regent_runtime.decision import Decision, Stage
from regent_runtime.record import TurnRecord
from regent_runtime.refusals import Refused
from tests.fakes import configs

SOURCES = {"callers.serviceAccounts": ["regent-system/floor"], "callers.anonymous": ["demo/open"]}


def entered(authorization: str | None, **callers: object) -> list[Decision]:
    config = configs.config(policy={"callers": callers})
    record = TurnRecord(sources=SOURCES)
    try:
        enter(Callers(config, Credentials(Path("/nowhere"))), authorization, record)
    except Refused as refused:
        record.refused(refused)
    return record.decisions


def test_who_is_let_in_is_let_in_by_a_field() -> None:
    floor = ("regent-system/floor",)
    assert entered(f"Bearer {configs.token()}") == [
        Decision(Stage.CALLERS, "Allow", "callers.serviceAccounts", floor, "ServiceAccount")
    ]
    assert entered(None, anonymous="Allow") == [
        Decision(Stage.CALLERS, "Allow", "callers.anonymous", ("demo/open",), "Anonymous")
    ]


def test_who_is_not_let_in_is_kept_out_by_a_field() -> None:
    floor = ("regent-system/floor",)
    assert entered(f"Bearer {configs.token()}", serviceAccounts=[[{"name": "other"}]]) == [
        Decision(Stage.CALLERS, "Deny", "callers.serviceAccounts", floor, "caller_not_allowed")
    ]
    assert entered(None) == [Decision(Stage.CALLERS, "Deny", "callers.anonymous", ("demo/open",), "token_missing")]
    assert entered("Bearer x") == [], "whose token it would be, nobody knows"


@pytest.mark.parametrize("authorization", [None, "Bearer x"])
def test_a_caller_that_is_kept_out_is_told_so(authorization: str | None) -> None:
    callers = Callers(configs.config(), Credentials(Path("/nowhere")))
    with pytest.raises(Refused) as refused:
        enter(callers, authorization, TurnRecord())
    assert refused.value.refusal.status == 401
