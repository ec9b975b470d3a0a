"""The asking code of `regent chat` and the demos, against a server that answers as it is told."""

import importlib.util
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from regent_operator.cli.ask import RefusedError, ask
from regent_operator.cli.exchange import UnreachableError
from regent_operator.cli.main import main
from tests.contract.commands import regent

DELTA = 'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n'
DONE = "data: [DONE]\n\n"
REFUSAL = '{"error": {"message": "Not you.", "type": "permission_error", "code": "caller_not_allowed", "param": null}}'
HELLO = [{"role": "user", "content": "Hello"}]


@contextmanager
def server(status: int, body: str) -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the Authorization header of each request that it got."""
    seen: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        serving = threading.Thread(target=listening.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}", seen
        finally:
            listening.shutdown()
            serving.join()


def test_deltas_come_in_order_and_the_token_goes_along() -> None:
    with server(200, ": comment\n\n" + DELTA % "Gr" + DELTA % "üße" + 'data: {"choices": []}\n\n' + DONE) as (
        url,
        seen,
    ):
        assert list(ask(url, HELLO, token="secret")) == ["Gr", "üße"]
        assert seen == ["Bearer secret"]


def test_without_a_token_no_header_is_sent() -> None:
    with server(200, DELTA % "Hi" + DONE) as (url, seen):
        assert list(ask(url, HELLO, token=None)) == ["Hi"]
        assert seen == [""]


@pytest.mark.parametrize(
    "token", ["sec\nret", "sec\r\nX-Other: ret", "sec ret", "sec\x00ret", "sec…ret", "sec\udcffret"]
)
def test_a_token_that_is_none_is_neither_sent_nor_quoted(token: str) -> None:
    with server(200, DELTA % "Hi" + DONE) as (url, seen), pytest.raises(UnreachableError) as refused:
        list(ask(url, HELLO, token=token))
    assert seen == []
    assert "the token is none" in str(refused.value)
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)


@pytest.mark.parametrize("where", ["environment", "file"])
def test_the_line_end_behind_a_token_is_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("REGENT_TOKEN", "secret\n" if where == "environment" else "another")
    from_file = ["--token-file", str(tmp_path / "token")] if where == "file" else []
    with server(200, DELTA % "Hi" + DONE) as (url, seen):
        assert regent("chat", "Hello", "--endpoint", url, *from_file) == (0, "Hi\n", "")
    assert seen == ["Bearer secret"]


@pytest.mark.parametrize("command", ["chat", "approve"])
def test_no_message_holds_the_token(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("REGENT_TOKEN", "sec\nret")
    code, out, err = regent(command, "x", "--endpoint", "http://127.0.0.1:9")
    assert (code, out, "the token is none" in err) == (1, "", True)
    assert "sec" not in err
    assert "ret" not in err


@pytest.mark.parametrize(
    "endpoint", ["http://h:99999", "http://[::1", "http://h:x", "127.0.0.1:8080", "http:///v1", ""]
)
def test_what_is_no_address_is_said(endpoint: str) -> None:
    with pytest.raises(UnreachableError):
        list(ask(endpoint, HELLO, token=None))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "shown"), [(Terminal(), "\\u001b]0;x\\u0007\tü\n"), (io.StringIO(), "\x1b]0;x\x07\tü\n")]
)
def test_an_answer_does_not_steer_the_terminal(out: io.StringIO, shown: str) -> None:
    with server(200, DELTA % "\\u001b]0;x" + DELTA % "\\u0007\\tü" + DONE) as (url, _), redirect_stdout(out):
        with pytest.raises(SystemExit) as ended:
            main(["chat", "Hello", "--endpoint", url])
        assert ended.value.code == 0
    assert out.getvalue() == shown


def test_a_refusal_bears_status_code_and_words() -> None:
    with server(403, REFUSAL) as (url, _), pytest.raises(RefusedError) as refused:
        list(ask(url, HELLO, token="secret"))
    assert (refused.value.status, refused.value.code, refused.value.message) == (403, "caller_not_allowed", "Not you.")


def test_an_error_within_the_stream_ends_it() -> None:
    with (
        server(200, DELTA % "Hi" + f"data: {REFUSAL}\n\n") as (url, _),
        pytest.raises(RefusedError, match=r"Not you\."),
    ):
        list(ask(url, HELLO, token=None))


@pytest.mark.parametrize("body", [DELTA % "Hi", "data: {nonsense\n\n"])
def test_a_stream_that_breaks_off_is_no_answer(body: str) -> None:
    with server(200, body) as (url, _), pytest.raises(UnreachableError):
        list(ask(url, HELLO, token=None))


@pytest.mark.parametrize("body", ["<html>bad gateway</html>", "[]", '{"error": "no"}'])
def test_an_error_of_another_shape_is_shown_as_it_is(body: str) -> None:
    with server(502, body) as (url, _), pytest.raises(RefusedError, match="502"):
        list(ask(url, HELLO, token=None))


def test_nobody_there_is_said() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        list(ask("http://127.0.0.1:9", HELLO, token=None))


def conversation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conversation", Path("tools/conversation.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, DELTA % "Hi" + DONE, "the stranger was answered: Hi"),
        (200, DONE, "the answer is empty"),
        (500, REFUSAL, "the visitor got no answer: 500"),
    ],
)
def test_a_demo_that_does_not_go_as_told_fails(status: int, body: str, words: str) -> None:
    module = conversation()
    with server(status, body) as (url, _), pytest.raises(module.DemoFailed, match=words):
        module.play(module.Stage(url, "visitor", "stranger"), time.monotonic(), "the start")
