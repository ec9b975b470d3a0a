"""Asks an agent and yields its answer as it comes: one HTTP request to /v1/chat/completions, streamed.

On the standard library alone, so that it shows the wire and nothing else. Official SDKs work just as well.
"""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

DEADLINE_SECONDS = 120.0


class RefusedError(Exception):
    """The agent's answer was an error in OpenAI's shape: HTTP status, code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class UnreachableError(Exception):
    """There was no HTTP answer, or it broke off."""


def ask(
    endpoint: str,
    messages: Sequence[Mapping[str, str]],
    *,
    token: str | None,
    deadline: float = DEADLINE_SECONDS,
) -> Iterator[str]:
    """The deltas of the answer. `deadline` in seconds, for each read. Raises RefusedError and UnreachableError."""
    url = urlsplit(endpoint)
    secure = url.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(url.hostname or "", url.port or (443 if secure else 80), timeout=deadline)
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"model": "regent", "messages": list(messages), "stream": True})
    try:
        connection.request("POST", f"{url.path.rstrip('/')}/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise refusal(answer.status, answer.read())
        yield from _deltas(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{endpoint}: {error}") from error
    finally:
        connection.close()


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
