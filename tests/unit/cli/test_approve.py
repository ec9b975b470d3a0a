from typing import Any

import pytest

from regent_operator.cli.approve import APPROVE, confirmed, described

TURN: dict[str, Any] = {
    "status": "Pending",
    "caller": "system:serviceaccount:demo:caller",
    "sensitivity": "Internal",
    "requestedAt": "2026-11-26T00:00:00Z",
    "expiresAt": "2026-11-26T00:15:00Z",
    "messages": [{"role": "user", "content": "First line.\nSecond."}],
    "parameters": {},
}
WORDS = """status: Pending
caller: system:serviceaccount:demo:caller
sensitivity: Internal
requested: 2026-11-26T00:00:00Z
expires: 2026-11-26T00:15:00Z
user: First line.
Second."""


def test_a_turn_is_described_for_people() -> None:
    assert described(TURN) == WORDS
    assert described({**TURN, "parameters": {"stop": ["é"]}}) == f'{WORDS}\nparameters: {{"stop": ["é"]}}'
    assert "caller: anonymous\n" in described({**TURN, "caller": None})


def test_calls_and_results_of_tools_are_shown() -> None:
    call = {"id": "call_0", "name": "send", "arguments": {"to": "\x1b[2J"}}
    past = [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "Done.", "tool_call_id": "call_0"},
    ]
    words = 'assistant: \n  calls send: {"to": "\\u001b[2J"}\ntool: Done.'
    assert described({**TURN, "messages": past}).endswith(words)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("\x1b[2Jgone", "\\u001b[2Jgone"), ("a\rb", "a\\u000db"), ("a\u202eb", "a\\u202eb"), ("\U000e0041", "\\ue0041")],
)
def test_text_does_not_steer_the_terminal(sent: str, shown: str) -> None:
    assert described({**TURN, "messages": [{"role": "user", "content": sent}]}).endswith(f"user: {shown}")


def test_neither_does_the_name_of_a_caller_or_a_tool() -> None:
    call = {"id": "call_0", "name": "\x1b[2J", "arguments": {}}
    messages = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    assert "\x1b" not in described({**TURN, "caller": "\x1b[2J", "messages": messages})


@pytest.mark.parametrize(
    ("answer", "expected"), [("y", True), (" YES ", True), ("", False), ("n", False), ("yes please", False)]
)
def test_only_a_yes_is_one(answer: str, expected: bool) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    assert confirmed(TURN, APPROVE, ask) is expected
    assert asked == [f"{WORDS}\nApprove this turn? [y/N] "]
