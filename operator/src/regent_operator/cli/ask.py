"""Asks an agent and yields its answer as it comes: one HTTP request to /v1/chat/completions, streamed."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from regent_operator.cli.exchange import UnreachableError, exchange

DEADLINE_SECONDS = 120.0


class RefusedError(Exception):
    """The agent's answer was an error in OpenAI's shape: HTTP status, code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def ask(
    endpoint: str,
    messages: Sequence[Mapping[str, str]],
    *,
    token: str | None,
    deadline: float = DEADLINE_SECONDS,
) -> Iterator[str]:
    """The deltas of the answer. `deadline` in seconds, for each read. Raises RefusedError and UnreachableError."""
    body = json.dumps({"model": "regent", "messages": list(messages), "stream": True})
    with exchange(endpoint, "POST", "/v1/chat/completions", body, token=token, deadline=deadline) as answer:
        if answer.status != http.client.OK:
            raise refusal(answer.status, answer.read())
        yield from _deltas(answer)


def _deltas(answer: http.client.HTTPResponse) -> Iterator[str]:
    for raw in answer:
        line = raw.decode().strip()
        if line == "data: [DONE]":
            return
        if line.startswith("data:"):
            yield from _text(json.loads(line.removeprefix("data:")))
    raise UnreachableError("the stream broke off before its end")


def _text(chunk: Mapping[str, Any]) -> Iterator[str]:
    if "error" in chunk:
        raise _refused(http.client.OK, chunk)
    for choice in chunk.get("choices", []):
        if delta := choice.get("delta", {}).get("content"):
            yield str(delta)


def refusal(status: int, body: bytes) -> RefusedError:
    """What an answer that is no 200 says."""
    try:
        document = json.loads(body)
    except ValueError:
        return RefusedError(status, "", body[:500].decode(errors="replace"))
    return _refused(status, document)


def _refused(status: int, document: Any) -> RefusedError:
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return RefusedError(status, "", str(document)[:500])
    return RefusedError(status, str(error.get("code") or error.get("type") or ""), str(error.get("message") or ""))
