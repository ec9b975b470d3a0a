"""A caller that reads a stream event by event."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.fakes import configs
from tests.fakes.serving import Served


class Stream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def conversation(self) -> str:
        return self._response.headers["X-Regent-Conversation"]

    async def event(self) -> Any:
        """The next event's data, parsed; None at the end."""
        line = await self._response.content.readline()
        while line == b"\n":
            line = await self._response.content.readline()
        data = line.decode().removeprefix("data: ").strip()
        return json.loads(data) if data.startswith("{") else data or None

    async def content(self) -> Any:
        event = await self.event()
        return event["choices"][0]["delta"].get("content") if isinstance(event, dict) else event

    async def rest(self) -> list[Any]:
        found = []
        while (content := await self.content()) != "[DONE]":
            found.append(content)
        return [*found, content]


@asynccontextmanager
async def open_stream(served: Served, **more: Any) -> AsyncIterator[Stream]:
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **more}
    headers = {"Authorization": f"Bearer {configs.token()}"}
    async with served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        yield Stream(response)
