"""`regent dev` from outside: the official client, the real runtime and the real small model."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import openai
import pytest

from tests.contract.dev_session import REGENT, DevSession, answers, dev_session, eventually, runs

ASKED = {"model": "helper", "messages": [{"role": "user", "content": "Name a colour."}]}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevSession]:
    with dev_session(tmp_path_factory.mktemp("dev")) as started:
        yield started


def test_the_official_client_gets_a_real_answer_plain_and_streamed(session: DevSession) -> None:
    client = session.client("visitor")

    plain = client.chat.completions.create(**ASKED)
    streamed = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(**ASKED, stream=True)
        if chunk.choices
    ]

    assert plain.choices[0].message.content
    assert plain.usage is not None
    assert plain.usage.completion_tokens > 0
    assert "".join(streamed)
    assert len(streamed) > 2


def test_callers_are_told_apart_as_on_a_cluster(session: DevSession) -> None:
    assert {name: caller["admitted"] for name, caller in session.callers.items()} == {
        "quickstart/visitor": True,
        "quickstart/stranger": False,
    }
    with pytest.raises(openai.PermissionDeniedError) as refused:
        session.client("stranger").chat.completions.create(**ASKED)
    assert refused.value.code == "caller_not_allowed"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{session.endpoint}/v1", api_key="none", max_retries=0).chat.completions.create(**ASKED)


def test_it_listens_on_loopback_alone(session: DevSession) -> None:
    pids = session.children()
    inodes = {link for pid in pids for link in links(pid)}
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes
    ]

    assert len(pids) == 2
    assert len(listening) == 3
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}


def links(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(str(link.readlink()))
    return found


def test_its_files_are_for_this_user_alone(session: DevSession) -> None:
    (folder,) = session.temporary.iterdir()

    assert folder.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in folder.rglob("agent.json")] == ["agent.json"]


def test_an_edit_is_taken_over_by_the_same_process(session: DevSession) -> None:
    before = session.children()

    session.edit("policy.yaml", "- name: visitor", "- name: visitor\n      - name: stranger")

    eventually(lambda: "took over the edit" in session.said)
    assert session.client("stranger").chat.completions.create(**ASKED).choices[0].message.content
    assert session.children() == before


def test_a_broken_edit_is_named_and_what_ran_goes_on(session: DevSession) -> None:
    session.edit("agent.yaml", "sensitivity: Internal", "sensitivity: Secret")

    eventually(lambda: "the edit is not taken over" in session.said)
    error = r"error: \S+agent\.yaml: AIAgent helper: spec\.sensitivity: Input should be 'Public'"
    eventually(lambda: re.search(error, session.said) is not None)
    assert session.client("visitor").chat.completions.create(**ASKED).choices[0].message.content
    session.edit("agent.yaml", "sensitivity: Secret", "sensitivity: Internal")


def test_half_an_edit_ends_nothing(session: DevSession) -> None:
    half = session.manifests / "half.yaml"
    for text in ("{{ .Values.x }}\n", "a: &a [*a]\n", "[" * 5000):
        told = session.said.count("the edit is not taken over")
        half.write_text(text)
        eventually(lambda told=told: session.said.count("the edit is not taken over") > told)

    half.unlink()
    assert session.client("visitor").chat.completions.create(**ASKED).choices[0].message.content


def test_suspending_is_an_edit_too(session: DevSession) -> None:
    session.edit("agent.yaml", "sensitivity: Internal", "sensitivity: Internal\n  suspend: true")

    def refuses() -> bool:
        try:
            session.client("visitor").chat.completions.create(**ASKED)
        except openai.PermissionDeniedError as refused:
            return refused.code == "agent_suspended"
        return False

    eventually(refuses)
    session.edit("agent.yaml", "\n  suspend: true", "")
    eventually(lambda: not refuses())


def test_an_agent_that_is_taken_out_stops_and_one_that_is_put_in_starts(session: DevSession) -> None:
    agent = session.manifests / "agent.yaml"
    text = agent.read_text()
    agent.write_text(text + "---\n" + text.replace("name: helper", "name: second"))
    eventually(lambda: "agent quickstart/second is ready at" in session.said)

    agent.write_text(text)

    eventually(lambda: "agent quickstart/second is gone" in session.said)
    eventually(lambda: len(session.children()) == 2)


def test_regent_chat_prints_the_answer(session: DevSession, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(str(session.callers["quickstart/visitor"]["token"]))
    chat = [*REGENT, "chat", "--endpoint", session.endpoint, "--token-file", str(tmp_path / "token"), "Name a colour."]

    done = subprocess.run(chat, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_that_it_started_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with dev_session(tmp_path) as own:
        children = own.children()
        own.process.send_signal(number)

        assert own.process.wait(120) == 0
        assert not any(map(runs, children))
        assert list(own.temporary.iterdir()) == []
        assert not answers(own.endpoint)


def test_what_it_started_ends_even_when_it_is_killed(tmp_path: Path) -> None:
    with dev_session(tmp_path) as own:
        children = own.children()
        assert len(children) == 2

        own.process.kill()

        eventually(lambda: not any(map(runs, children)))


def test_it_ends_with_an_error_when_what_it_started_ends(tmp_path: Path) -> None:
    with dev_session(tmp_path) as own:
        own.kill_child("regent_runtime")

        assert own.process.wait(120) == 1
        assert "error: agent quickstart/helper ended with code -9" in own.said


def regent(*words: str | Path) -> tuple[int, str]:
    """Exit code and stderr of a command that is expected to fail."""
    done = subprocess.run([*REGENT, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_exit_codes_tell_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "apiVersion: regent.dev/v1alpha1\nkind: AIAgent\nmetadata: {name: a}\nspec: {}\n"
    )

    assert regent("dev")[0] == 2
    assert regent("dev", "-f", "x", "--caller", "visitor")[0] == 2
    assert regent("dev", "-f", tmp_path / "absent")[0] == 4
    assert regent("dev", "-f", "examples/quickstart", "--agent", "absent") == (
        4,
        "error: no AIAgent absent in the manifests\n",
    )
    code, words = regent("dev", "-f", tmp_path)
    assert code == 1
    assert f"error: {tmp_path}/bad.yaml: AIAgent a: spec.modelRouteRef: is required" in words
    assert regent("chat", "--endpoint", "http://127.0.0.1:9", "Hello")[0] == 1


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, words = regent("dev", "-f", "examples/quickstart", "--port", str(port))

    assert code == 1
    assert f"error: port {port} is taken; choose another with --port, or 0 for any free one" in words
    assert "starting" not in words
