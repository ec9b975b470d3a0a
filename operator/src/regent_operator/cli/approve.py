"""`regent approve ID`: shows an approver the turn that waits, and sends the decision.

The id is the key to the turn: whoever has it and may approve reads what the model would see.
"""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from regent_operator.cli.ask import refusal
from regent_operator.cli.exchange import exchange
from regent_operator.cli.output import visible

APPROVE = "Approve"
DENY = "Deny"
DEADLINE_SECONDS = 30.0


class ApprovalMissingError(Exception):
    """There is no such approval, or no longer."""


@dataclass(frozen=True)
class Approvals:
    """Of the agent at `url`; `token`: the approver's."""

    url: str
    token: str | None

    def show(self, id_: str) -> dict[str, Any]:
        """The turn that waits. Raises ApprovalMissingError, RefusedError, UnreachableError."""
        return self._call("GET", id_, None)

    def decide(self, id_: str, decision: str) -> dict[str, Any]:
        """`decision`: APPROVE or DENY. Raises ApprovalMissingError, RefusedError, UnreachableError."""
        return self._call("POST", id_, json.dumps({"decision": decision}))

    def _call(self, method: str, id_: str, body: str | None) -> dict[str, Any]:
        path = f"/v1/approvals/{quote(id_, safe='')}"
        with exchange(self.url, method, path, body, token=self.token, deadline=DEADLINE_SECONDS) as answer:
            text = answer.read()
            if answer.status == http.client.NOT_FOUND:
                raise ApprovalMissingError(refusal(answer.status, text).message)
            if answer.status != http.client.OK:
                raise refusal(answer.status, text)
            return dict(json.loads(text))


def described(turn: dict[str, Any]) -> str:
    """A turn for people, as a terminal may have it."""
    lines = [
        f"{name}: {turn[key] or 'anonymous'}"
        for name, key in (
            ("status", "status"),
            ("caller", "caller"),
            ("sensitivity", "sensitivity"),
            ("requested", "requestedAt"),
            ("expires", "expiresAt"),
        )
    ]
    for message in turn["messages"]:
        lines.append(f"{message['role']}: {_said(message['content'])}")
        lines += [f"  calls {call['name']}: {_json(call['arguments'])}" for call in message.get("tool_calls", ())]
    if turn["parameters"]:
        lines.append(f"parameters: {_json(turn['parameters'])}")
    return visible("\n".join(lines))


def confirmed(turn: dict[str, Any], decision: str, ask: Callable[[str], str]) -> bool:
    """Whether the approver says yes to what is shown. `ask` puts a question and gives the answer; EOFError: no."""
    try:
        return ask(f"{described(turn)}\n{decision} this turn? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _said(content: str | list[dict[str, Any]]) -> str:
    """Of an image its address: pixels are for other programs."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or part["image_url"]["url"] for part in content)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
