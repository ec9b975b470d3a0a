"""The program that the tests' caller pods run (`python3 - JSON < client.py`): one request, each event a line of JSON.

Standard library only: it runs in the bare Python image. What it prints: {"status", "headers"}, then {"text"} for each
piece of a streamed answer and {"done": true} for its [DONE], or {"body"} of a plain one, then {"end": true}; or
{"unreachable": why}. Asked to `repeat`, it asks again and again for so many seconds, and prints one {"outcomes":
[[seconds, status, code, should retry]]}.
"""

import http.client
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201


def main() -> None:
    asked = json.loads(sys.argv[1])
    url = urlsplit(asked["url"])
    headers = {"content-type": "application/json", **asked.get("headers", {})}
    if asked.get("token"):
        with open(asked["token"]) as file:  # noqa: PTH123
            headers["authorization"] = f"Bearer {file.read().strip()}"
    if asked.get("repeat"):
        say(outcomes=repeat(asked, headers), end=True)
        return
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=asked.get("timeout", 120))
    try:
        connection.request(asked.get("method", "POST"), url.path, json.dumps(asked["body"]), headers)
        answer = connection.getresponse()
    except OSError as error:
        say(unreachable=type(error).__name__)
        return
    say(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()})
    if answer.getheader("content-type", "").startswith("text/event-stream"):
        read_stream(answer)
    else:
        say(body=json.loads(answer.read() or b"null"))
    say(end=True)


def repeat(asked: dict[str, Any], headers: dict[str, str]) -> list[list[object]]:
    url, begun = urlsplit(asked["url"]), time.monotonic()
    outcomes: list[list[object]] = []
    while (passed := time.monotonic() - begun) < asked["repeat"]:
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=5)
        try:
            connection.request("POST", url.path, json.dumps(asked["body"]), headers)
            answer = connection.getresponse()
            code = (json.loads(answer.read()).get("error") or {}).get("code")
            outcomes.append([passed, answer.status, code, answer.getheader("x-should-retry")])
        except OSError as error:
            outcomes.append([passed, None, type(error).__name__, None])
        connection.close()
        time.sleep(0.05)
    return outcomes


def read_stream(answer: http.client.HTTPResponse) -> None:
    for line in answer:
        data = line.decode().strip().removeprefix("data: ")
        if not line.startswith(b"data: "):
            continue
        if data == "[DONE]":
            say(done=True)
            continue
        event = json.loads(data)
        if "error" in event:
            say(error=event["error"])
        for choice in event.get("choices", []):
            say(text=choice["delta"].get("content") or "", finish=choice.get("finish_reason"))


main()
