"""examples/classes as it is, under `regent dev`: each class does what its README says, with the real small model."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.dev_session import REGENT, DevSession, dev_session, eventually

EXAMPLE = Path("examples/classes")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevSession]:
    folder = tmp_path_factory.mktemp("classes")
    with dev_session(folder, EXAMPLE, ("classes/visitor", "classes/lead")) as started:
        yield started


def ask(session: DevSession, label: str, content: str = "Name a colour.", approval: str | None = None) -> str:
    headers = {"X-Regent-Sensitivity": label, **({"X-Regent-Approval": approval} if approval else {})}
    messages: Any = [{"role": "user", "content": content}]
    answer = session.client("visitor").chat.completions.create(model="any", messages=messages, extra_headers=headers)
    return answer.choices[0].message.content or ""


def refused(session: DevSession, label: str, **more: Any) -> openai.PermissionDeniedError:
    with pytest.raises(openai.PermissionDeniedError) as error:
        ask(session, label, **more)
    return error.value


def approve(session: DevSession, caller: str, id_: str) -> tuple[int, str]:
    """Exit code, and stderr."""
    environment = {**os.environ, "REGENT_TOKEN": str(session.callers[f"classes/{caller}"]["token"])}
    command = [*REGENT, "approve", id_, "--yes", "--endpoint", session.endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    return done.returncode, done.stderr


def test_public_data_is_answered(session: DevSession) -> None:
    assert ask(session, "Public")


def test_internal_data_is_answered_once_the_lead_approves(session: DevSession) -> None:
    error = refused(session, "Internal")
    assert error.code == "approval_required"
    assert isinstance(error.body, dict)
    id_ = str(error.body["approval"]["id"])

    code, words = approve(session, "visitor", id_)
    assert (code, words.split()[:3]) == (1, ["error:", "403", "not_an_approver:"])
    assert approve(session, "lead", id_) == (0, "")

    assert ask(session, "Internal", approval=id_)
    assert refused(session, "Internal", approval=id_).code == "approval_invalid"


def test_personal_data_makes_a_turn_confidential_and_local(session: DevSession) -> None:
    assert ask(session, "Public", "Write to ann@example.com.")

    turn = logged(session, "Confidential")
    assert [attempt["provider"] for attempt in turn["attempts"]] == ["onprem"]
    assert "Anonymize" in [decision["action"] for decision in turn["decisions"]]


def test_restricted_data_reaches_no_model(session: DevSession) -> None:
    assert refused(session, "Restricted").code == "data_class_forbidden"

    assert logged(session, "Restricted")["attempts"] == []


def logged(session: DevSession, label: str) -> dict[str, Any]:
    """The first turn of this label; its line may come after the answer."""

    def turns() -> list[dict[str, Any]]:
        whole = session.log.read_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if line["event"] == "turn" and line["sensitivity"] == label]

    eventually(lambda: bool(turns()))
    return turns()[0]
