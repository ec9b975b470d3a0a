"""A stand-in for a cloud provider: speaks Chat Completions, says who it is, and tells what it has seen.

Standard library only; runs as `python3 standin.py NAME` in the bare Python image. `GET /seen` gives the prompts that
reached it, and `GET /posted` what was posted to /alert. A model called `slow` streams one word every quarter of a second; `POST /mode` {"mode": "dead"} makes it
answer 503 until {"mode": "alive"}.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = sys.argv[1]
SLOW_WORDS = 60
seen: list[dict[str, Any]] = []
posted: list[dict[str, Any]] = []
state = {"mode": "alive"}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply(200, posted if self.path == "/posted" else seen)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/mode":
            state.update(asked)
            self.reply(200, state)
            return
        if self.path == "/alert":
            posted.append(asked)
            self.reply(200, {"ok": True})
            return
        seen.append({"key": self.headers.get("authorization"), "messages": asked["messages"]})
        if state["mode"] == "dead":
            self.reply(503, {"error": {"message": "dead", "type": "server_error", "code": None, "param": None}})
        elif asked.get("stream"):
            self.stream(asked)
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": f"from {NAME}"}, "finish_reason": "stop"}
            self.reply(200, self.envelope(asked, "chat.completion") | {"choices": [choice], "usage": self.usage()})

    def stream(self, asked: dict[str, Any]) -> None:
        words = [f"word{n} " for n in range(SLOW_WORDS)] if asked["model"] == "slow" else ["from ", NAME]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for number, word in enumerate(words):
            last = number == len(words) - 1
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": "stop" if last else None}
            self.event(self.envelope(asked, "chat.completion.chunk") | {"choices": [choice]})
            time.sleep(0.25 if len(words) > 2 else 0)
        if (asked.get("stream_options") or {}).get("include_usage"):
            self.event(self.envelope(asked, "chat.completion.chunk") | {"choices": [], "usage": self.usage()})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    @staticmethod
    def envelope(asked: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": asked["model"]}

    @staticmethod
    def usage() -> dict[str, int]:
        return {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}

    def reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("", 8080), Provider).serve_forever()
