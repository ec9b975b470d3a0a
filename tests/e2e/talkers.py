"""The program of a pod whose threads talk to one agent until told to stop (`python3 - JSON < talkers.py`).

Standard library only. Each thread has one connection, which it keeps, and repeats what OpenAI's clients repeat: twice,
a connection that broke before an answer began, and an answer that says so (x-should-retry), after its Retry-After.
What is printed at the end: {"conversations", "turns", "streams", "longest", "retried": {why: times}, "failed": [...],
"probes": [[when it was sent, which policy answered]]}.

Whoever has said all ends the conversation with its last turn, so that only what goes on is active. Beside them stands a
crowd: as many conversations as its file says, which all go on, slowly, until the file says fewer.

Asked for: {"url", "token", "stop" and "crowd": files, "talkers", "streamers", "injection"}.
"""

import collections
import http.client
import json
import os
import select
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

ASKED = json.loads(sys.argv[1])
URL = urlsplit(ASKED["url"])
RETRIES = 2
TURNS = 3
PAUSE = 0.1
CROWDERS = 4
"""Threads of the crowd."""
SLOWLY = 0.5
HEADERS = {"content-type": "application/json"}
with open(ASKED["token"]) as file:  # noqa: PTH123
    HEADERS["authorization"] = f"Bearer {file.read().strip()}"


class Failed(Exception):  # noqa: N818
    """No answer, or not a whole one."""


class Told:
    """What all threads have seen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: collections.Counter[str] = collections.Counter()
        self.retried: collections.Counter[str] = collections.Counter()
        self.longest = 0.0
        self.failed: list[str] = []
        self.probes: list[tuple[float, str]] = []

    def count(self, **more: int) -> None:
        with self.lock:
            self.counts.update(more)

    def again(self, why: str) -> None:
        with self.lock:
            self.retried[why] += 1

    def report(self) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in ("conversations", "turns", "streams")}
        found = {"longest": self.longest, "retried": self.retried, "failed": self.failed, "probes": self.probes}
        return counts | found


TOLD = Told()


class Line:
    """A connection that is kept; one that the agent has closed is not used again, as in a pool of any client."""

    def __init__(self) -> None:
        self._kept: http.client.HTTPConnection | None = None

    def turn(self, words: str, id_: str | None, *, stream: bool = False, last: bool = False) -> tuple[str, str]:
        """The text, and the conversation. Raises Failed."""
        why = ""
        for _ in range(1 + RETRIES):
            if why:
                TOLD.again(why)
            try:
                answer = self._answer(words, id_, stream=stream, last=last)
            except (OSError, http.client.HTTPException) as error:
                self.drop()
                why = type(error).__name__
                time.sleep(0.5)
                continue
            if answer.status == 200:
                return self._whole(answer, stream=stream), answer.getheader("x-regent-conversation") or ""
            said = json.loads(answer.read()).get("error") or {}
            why = f"{answer.status} {said.get('code')}"
            if answer.getheader("x-should-retry") != "true":
                break
            time.sleep(float(answer.getheader("retry-after") or 0.5))
        raise Failed(why)

    def _answer(self, words: str, id_: str | None, *, stream: bool, last: bool) -> http.client.HTTPResponse:
        if self._kept is not None and self._kept.sock is not None and select.select([self._kept.sock], [], [], 0)[0]:
            self.drop()
        if self._kept is None:
            self._kept = http.client.HTTPConnection(URL.hostname or "", URL.port or 80, timeout=60)
        headers = HEADERS | ({"x-regent-conversation": id_} if id_ else {})
        headers |= {"x-regent-conversation-end": "true"} if last else {}
        body = {"model": "agent", "messages": [{"role": "user", "content": words}], "stream": stream}
        self._kept.request("POST", URL.path, json.dumps(body), headers)
        return self._kept.getresponse()

    def drop(self) -> None:
        """The connection; the next turn makes another."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def _whole(self, answer: http.client.HTTPResponse, *, stream: bool) -> str:
        """Raises Failed: it broke off, ended with an error or without its end."""
        try:
            return read_stream(answer) if stream else str(json.loads(answer.read())["choices"][0]["message"]["content"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.drop()
            raise Failed(f"broken off: {type(error).__name__}") from None
        except Failed:
            self.drop()
            raise


def read_stream(answer: http.client.HTTPResponse) -> str:
    text, finish, done = "", None, False
    for line in answer:
        data = line.decode().strip().removeprefix("data: ")
        if not line.startswith(b"data: "):
            continue
        if data == "[DONE]":
            done = True
            continue
        event = json.loads(data)
        if "error" in event:
            raise Failed(f"in the stream: {event['error'].get('code')}")
        for choice in event.get("choices", []):
            text += choice["delta"].get("content") or ""
            finish = choice.get("finish_reason") or finish
    if not done or finish is None:
        raise Failed("a stream without its end")
    return text


def going_on() -> bool:
    return not os.path.exists(ASKED["stop"])  # noqa: PTH110


def talk(number: int, *, stream: bool) -> None:
    """Conversations, one after the other; only the first turn of each may bring an id that was not sent."""
    line = Line()
    while going_on():
        id_: str | None = None
        try:
            turns = 1 if stream else TURNS
            for turn in range(turns):
                began = time.time()
                words, last = f"Talker {number} says {turn} at {began}.", turn == turns - 1
                text, found = line.turn(words, id_, stream=stream, last=last)
                id_ = going_on_in(id_, found, text)
                TOLD.count(turns=1, streams=int(stream))
                with TOLD.lock:
                    TOLD.longest = max(TOLD.longest, time.time() - began if stream else 0.0)
                time.sleep(PAUSE)
            TOLD.count(conversations=1)
        except Failed as failed:
            TOLD.failed.append(f"{'stream' if stream else 'turn'} at {time.time():.1f}: {failed}")


def going_on_in(id_: str | None, found: str, text: str) -> str:
    """The answer's conversation. Raises Failed: it is another one, or nothing was said."""
    if not text or not found or found != (id_ or found):
        raise Failed(f"an answer of another conversation, or none: {len(text)} characters")
    return found


def crowd(number: int) -> None:
    """A thread's share of the crowd: a turn of one conversation after a turn of another, each on a line of its own."""
    kept = collections.deque[str]()
    while going_on():
        share = wanted(number)
        grows, shrinks = len(kept) < share, len(kept) > share
        if kept or grows:
            line, id_ = Line(), None if grows else kept.popleft()
            try:
                text, found = line.turn(f"One of the crowd, at {time.time()}.", id_, last=shrinks)
                if not shrinks:
                    kept.append(going_on_in(id_, found, text))
                TOLD.count(turns=1, conversations=int(shrinks))
            except Failed as failed:
                TOLD.failed.append(f"crowd at {time.time():.1f}: {failed}")
                time.sleep(SLOWLY)
            line.drop()
        if not (grows or shrinks):
            time.sleep(SLOWLY)


def wanted(number: int) -> int:
    """How many conversations of the crowd are this thread's, as the file says now."""
    try:
        with open(ASKED["crowd"]) as file:  # noqa: PTH123
            total = int(file.read())
    except FileNotFoundError:
        return 0
    return total // CROWDERS + int(number < total % CROWDERS)


def probe() -> None:
    """Asks what the policy refuses, in one conversation: the words of the refusal say which policy it was."""
    line, id_ = Line(), None
    while going_on():
        began = time.time()
        try:
            text, found = line.turn(ASKED["injection"], id_)
            id_ = found or id_
            TOLD.probes.append((began, text))
        except Failed as failed:
            TOLD.failed.append(f"probe at {began:.1f}: {failed}")
        time.sleep(PAUSE)


def main() -> None:
    threads = [threading.Thread(target=probe)]
    threads += [threading.Thread(target=crowd, args=(number,)) for number in range(CROWDERS)]
    for number in range(ASKED["talkers"] + ASKED["streamers"]):
        stream = number >= ASKED["talkers"]
        threads.append(threading.Thread(target=talk, args=(number,), kwargs={"stream": stream}))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(TOLD.report()), flush=True)  # noqa: T201


main()
