"""Whatever a caller sends is answered with a 4xx in OpenAI's shape, in bounded time, and the process lives."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from regent_runtime.serve import http, listener
from tests.contract.raw_http import connect, head
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.serving import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def agent(tmp_path: Path, **more: Any) -> AsyncIterator[Served]:
    """A served agent whose provider must not be reached but for the last, good request."""
    async with (
        provider() as fake,
        serving(tmp_path, configs.document(configs.provider_config("local", fake.url), **more)) as served,
    ):
        yield served
        assert fake.requests == []
        assert (await served.ask())[0] == 200


def messages(*contents: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def user(**message: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi", **message}]}


BODIES = {
    "empty": (b"", "invalid_json"),
    "not JSON": (b"messages=hi", "invalid_json"),
    "cut": (b'{"messages": [', "invalid_json"),
    "two documents": (b"{}{}", "invalid_json"),
    "byte order mark": (b"\xef\xbb\xbf{}", "invalid_json"),
    "UTF-16": ('{"messages": []}'.encode("utf-16"), "invalid_json"),
    "invalid UTF-8": (b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', "invalid_json"),
    "invalid UTF-8 in a key": (b'{"\xff": 1}', "invalid_json"),
    "lone surrogate": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "invalid_json"),
    "raw NUL": (b'{"messages": [{"role": "user", "content": "a\x00b"}]}', "invalid_json"),
    "escaped NUL": (messages("a\0b"), "invalid_value"),
    "NaN": (b'{"messages": [{"role": "user", "content": "Hi"}], "temperature": NaN}', "invalid_json"),
    "deep nesting": (b'{"messages": ' + b"[" * 100_000, "invalid_json"),
    "deep nesting in a known field": (
        b'{"messages": [{"role": "user", "content": "Hi"}], "metadata": '
        + b'{"a":' * 50_000
        + b"1"
        + b"}" * 50_000
        + b"}",
        "invalid_json",
    ),
    "a list": ([], "invalid_value"),
    "a string": ("hi", "invalid_value"),
    "null": (None, "invalid_value"),
    "no messages": ({}, "missing_field"),
    "null messages": ({"messages": None}, "missing_field"),
    "messages of another type": ({"messages": "Hi"}, "invalid_value"),
    "an empty list of messages": ({"messages": []}, "invalid_value"),
    "a message of another type": ({"messages": ["Hi"]}, "invalid_value"),
    "no role": ({"messages": [{"content": "Hi"}]}, "missing_field"),
    "unknown role": (user(role="admin"), "invalid_value"),
    "tool role": (user(role="tool", tool_call_id="x"), "invalid_value"),
    "system role": (user(role="system"), "instructions_not_allowed"),
    "developer role": (user(role="developer"), "instructions_not_allowed"),
    "no content": ({"messages": [{"role": "user"}]}, "missing_field"),
    "content of another type": (user(content=5), "invalid_value"),
    "no parts": (user(content=[]), "invalid_value"),
    "an image to fetch": (
        user(content=[{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]),
        "unsupported_field",
    ),
    "a part without text": (user(content=[{"type": "text"}]), "missing_field"),
    "unknown field of a part": (user(content=[{"type": "text", "text": "Hi", "cache": 1}]), "unknown_field"),
    "unknown field of a message": (user(weight=1), "unknown_field"),
    "unknown field": ({**user(), "jailbreak": True}, "unknown_field"),
    "temperature of another type": ({**user(), "temperature": "hot"}, "invalid_value"),
    "temperature out of range": ({**user(), "temperature": 3}, "invalid_value"),
    "max_tokens of zero": ({**user(), "max_tokens": 0}, "invalid_value"),
    "max_tokens as a fraction": ({**user(), "max_tokens": 1.5}, "invalid_value"),
    "max_tokens as a bool": ({**user(), "max_tokens": True}, "invalid_value"),
    "a number out of range": (
        b'{"messages": [{"role":"user","content":"Hi"}], "seed": 1' + b"0" * 400 + b"}",
        "invalid_value",
    ),
    "stream of another type": ({**user(), "stream": "yes"}, "invalid_value"),
    "unknown stream option": ({**user(), "stream_options": {"include_secrets": True}}, "unknown_field"),
    "several answers": ({**user(), "n": 2}, "unsupported_field"),
    "tools": ({**user(), "tools": [{"type": "web_search"}]}, "invalid_value"),
    "functions": ({**user(), "functions": [{"name": "f"}]}, "unsupported_field"),
    "storage": ({**user(), "store": True}, "unsupported_field"),
    "web search": ({**user(), "web_search_options": {}}, "unsupported_field"),
    "too many stop words": ({**user(), "stop": ["a", "b", "c", "d", "e"]}, "invalid_value"),
    "the same key twice": (
        b'{"messages": [{"role": "user", "content": "Hi"}], "seed": 1, "seed": 2}',
        "duplicate_field",
    ),
    "the same key twice in a message": (
        b'{"messages": [{"role": "user", "role": "user", "content": "Hi"}]}',
        "duplicate_field",
    ),
    "more messages than a history has": (messages(*["Hi"] * 2049), "invalid_value"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def living(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One process that must outlive all that is sent to it."""
    async with agent(tmp_path_factory.mktemp("living")) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refused(living: Served) -> dict[str, Any]:
    """What each body was answered."""
    return {name: await living.post(body) for name, (body, _) in BODIES.items()}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_400_and_names_what_is_wrong(refused: Any, name: str) -> None:
    status, answer, headers = refused[name]
    assert (status, answer["error"]["code"]) == (400, BODIES[name][1])
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["type"] == "invalid_request_error"
    assert 10 < len(answer["error"]["message"]) < 400
    assert headers["x-should-retry"] == "false"
    assert headers["x-regent-turn"]


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("unknown field", "jailbreak"),
        ("unknown field of a message", "messages[0]"),
        ("content of another type", "messages[0].content"),
        ("an image to fetch", "messages[0].content[0].image_url.url"),
        ("several answers", "n"),
        ("temperature out of range", "temperature"),
    ],
)
async def test_the_field_is_named(refused: Any, name: str, param: str) -> None:
    assert refused[name][1]["error"]["param"] == param


async def test_an_unknown_field_is_quoted_in_part_only(living: Served) -> None:
    status, answer, _ = await living.post({**user(), "x" * 100_000: 1})
    assert (status, len(answer["error"]["param"])) == (400, 64)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=x",
    ],
)
async def test_another_media_type_is_415(living: Served, content_type: str) -> None:
    status, answer, _ = await living.post(user(), headers={"Content-Type": content_type})
    assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_compressed_body_is_415(living: Served) -> None:
    status, answer, _ = await living.post(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/completions", 404, "not_found"),
        ("POST", "/v1/chat/completions/", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/statusz", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("BREW", "/livez", 400, "malformed_http"),
    ],
)
async def test_another_path_or_method(living: Served, method: str, path: str, status: int, code: Any) -> None:
    async with living.http.request(method, living.url + path, data=b"{}") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)


@enforces("size.maxRequestBytes")
async def test_ten_megabytes_that_are_sent_are_refused_as_well(living: Served) -> None:
    status, answer, headers = await living.post(b" " * 10 * 1024 * 1024)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")
    assert headers["connection"] == "close"


@enforces("size.maxRequestBytes")
async def test_a_body_that_says_that_it_is_too_large_is_refused_before_any_of_it_comes(living: Served) -> None:
    reader, writer = await connect(living)
    writer.write(head("Content-Length: 10000000"))
    assert b" 413 " in await reader.readuntil(b"}}")
    writer.close()


@enforces("size.maxRequestBytes")
async def test_the_policy_says_how_large_a_body_may_be(tmp_path: Path) -> None:
    async with provider() as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"size": {"maxRequestBytes": 2000}}
        )
        async with serving(tmp_path, document) as served:
            assert (await served.ask("a" * 1000))[0] == 200
            status, answer = await served.ask("a" * 2000)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")
    assert len(fake.requests) == 1


@enforces("size.maxRequestBytes")
async def test_an_endless_body_without_a_length_is_cut(living: Served) -> None:
    reader, writer = await connect(living)
    writer.write(head("Transfer-Encoding: chunked"))
    for _ in range(40):
        writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
    answer = await reader.readuntil(b"}}")
    assert b" 413 " in answer
    writer.close()


@enforces("size.maxInputTokens")
async def test_too_many_tokens_are_422(living: Served) -> None:
    status, answer, _ = await living.post(messages("word " * 50_000))
    assert (status, answer["error"]["code"]) == (422, "input_too_long")
    assert "8000" in answer["error"]["message"]


async def test_a_slow_body_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    async with agent(tmp_path) as served:
        reader, writer = await connect(served)
        writer.write(head("Content-Length: 1000") + b"{")
        answer = await asyncio.wait_for(reader.read(), 60)
        assert b" 408 " in answer
        assert b"body_too_slow" in answer
        writer.close()
        monkeypatch.undo()


async def test_slow_headers_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.3)
    async with agent(tmp_path) as served:
        reader, writer = await connect(served)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        monkeypatch.undo()


async def test_endless_headers_are_431(living: Served) -> None:
    reader, writer = await connect(living)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (i, b"a" * 900) for i in range(99))
    )
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), 60)
    assert b" 431 " in answer
    assert b"headers_too_large" in answer
    writer.close()


async def test_endless_trailers_are_431(living: Served) -> None:
    reader, writer = await connect(living)
    writer.write(head("Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n")
    writer.write(b"".join(b"X-%d: %b\r\n" % (number, b"a" * 100) for number in range(200)))
    assert b" 431 " in await asyncio.wait_for(reader.readuntil(b"}}"), 60)
    writer.close()


async def test_what_is_not_http_is_400(living: Served) -> None:
    reader, writer = await connect(living)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 60)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "malformed_http"
    writer.close()


async def test_an_aborted_body_ends_the_turn(living: Served) -> None:
    _, writer = await connect(living)
    writer.write(head("Content-Length: 1000") + b'{"messages"')
    await writer.drain()
    await living.until(lambda status: status["turns"] == 1)
    writer.transport.abort()
    await living.until(lambda status: status["turns"] == 0)


async def test_two_requests_at_once_on_one_connection_are_both_answered(living: Served) -> None:
    reader, writer = await connect(living)
    body = b'{"messages": []}'
    writer.write((head(f"Content-Length: {len(body)}") + body) * 2)
    for _ in range(2):
        assert b" 400 " in await asyncio.wait_for(reader.readuntil(b"}}"), 60)
    writer.close()


async def test_sensitivity_that_does_not_exist_is_400(living: Served) -> None:
    for value in ("Secret", "internal", "", "Public, Restricted"):
        status, answer, _ = await living.post(user(), headers={"X-Regent-Sensitivity": value})
        assert (status, answer["error"]["code"]) == (400, "invalid_sensitivity")
