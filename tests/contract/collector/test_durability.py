"""What `audit.durability` asks of a turn: the runtime and the collector, each a real process."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_api.audit import segment
from regent_api.audit.content import FOLDER, SUFFIX
from regent_api.audit.frame import CONTENT, frame
from regent_api.audit.record import Kind, decode
from regent_api.audit.subjects import FILE, subject_digest
from regent_api.audit.verify import verify
from regent_operator.collector.retention import wanted
from regent_operator.plan.echo import echo_of
from regent_runtime.audit import audit, collectorkeys
from regent_runtime.state.contract import Approval, hashed
from tests.contract.processes import Process, request, running
from tests.contract.redis_server import redis_server
from tests.contract.streams import Stream
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.collecting import OTHER_POD, POD, CollectorProcess, collector, token
from tests.fakes.provider import Provider, answers, gated, provider
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import WAIT_SECONDS, eventually

LOG = Path("demo", "helper", POD)
SUBJECT = "serviceaccount:demo/caller"


@asynccontextmanager
async def agent(folder: Path, at: CollectorProcess | None, **audit: Any) -> AsyncIterator[Process]:
    """A pod over its own disk and a provider that answers."""
    async with provider(answers("Yes.")) as fake, agent_of(fake, folder, at, **audit) as pod:
        yield pod


@asynccontextmanager
async def agent_of(fake: Provider, folder: Path, at: CollectorProcess | None, **audit: Any) -> AsyncIterator[Process]:
    await asyncio.to_thread(folder.mkdir)
    flags: Sequence[str] = ()
    if at is not None:
        (folder / "token").write_text(token())
        flags = ("--collector", at.url, "--collector-token", str(folder / "token"))
    document = configs.document(configs.provider_config("local", fake.url), policy={"audit": audit})
    async with running(folder, document, flags=flags, POD_UID=POD) as pod:
        yield pod


async def ask(pod: Process) -> tuple[int, str]:
    """Status, and the error's code."""
    async with aiohttp.ClientSession() as http, http.post(f"{pod.url}/v1/chat/completions", **request()) as answer:
        said = await answer.json()
        return answer.status, (said.get("error") or {}).get("code", "")


async def statusz(pod: Process) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{pod.status_url}/statusz") as answer:
        return dict(await answer.json())


def kinds(at: CollectorProcess) -> list[Kind]:
    return [decode(payload).kind for _, payload in segment.payloads(at.logs / LOG)]


@enforces("audit.durability")
async def test_a_turn_waits_until_its_records_are_on_the_collectors_disk(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at, durability="Collector") as pod:
        assert await ask(pod) == (200, "")
        await at.kill()  # nothing that comes later can have been waited for
        assert kinds(at) == [Kind.STARTED, Kind.INTENT, Kind.ATTEMPT, Kind.OUTCOME]


@enforces("audit.durability", "audit.onFailure")
async def test_while_the_collector_is_away_turns_are_denied_and_they_recover_by_themselves(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at, durability="Collector") as pod:
        assert await ask(pod) == (200, "")
        await at.kill()
        assert await ask(pod) == (503, "audit_unavailable")
        await at.start()

        async def answered() -> bool:
            return (await ask(pod))[0] == 200

        await eventually(answered)
        key = await at.verifier()
        assert await at.stop() == 0
        (found,) = verify(at.logs, key)
        assert (found.problem, found.signed, found.lost) == (None, found.size, 0)


async def test_an_outcome_that_the_collector_did_not_get_in_time_is_the_turns_only_one(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        collector(tmp_path) as at,
        provider(gated(gate, "Hel", "lo.")) as fake,
        agent_of(fake, tmp_path / "pod", at, durability="Collector") as pod,
        aiohttp.ClientSession() as http,
        http.post(f"{pod.url}/v1/chat/completions", **request(stream=True)) as response,
    ):
        stream = Stream(response)
        assert await stream.content() == "Hel"
        await at.kill()
        gate.set()
        assert await stream.content() == "lo."
        assert (await stream.event())["error"]["code"] == "audit_unavailable"
        pod.process.send_signal(signal.SIGTERM)
        await pod.ended()
    kept = [decode(payload) for _, payload in segment.payloads(tmp_path / "pod" / "audit")]
    assert [each.outcome for each in kept if each.kind is Kind.OUTCOME] == ["answered"]


@enforces("audit.durability")
async def test_without_a_collector_such_a_turn_is_denied(tmp_path: Path) -> None:
    async with agent(tmp_path / "pod", None, durability="Collector") as pod:
        assert await ask(pod) == (503, "audit_unavailable")


@enforces("audit.onFailure")
async def test_continue_lets_turns_go_on_and_ships_their_records_later(tmp_path: Path) -> None:
    audit = {"durability": "Collector", "onFailure": "Continue"}
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at, **audit) as pod:
        await at.kill()
        assert await ask(pod) == (200, "")
        await at.start()
        await eventually(lambda: asyncio.to_thread(kinds, at), lambda found: Kind.OUTCOME in found)


async def test_with_durability_in_the_pod_turns_go_on_while_the_collector_is_away_and_are_shipped(
    tmp_path: Path,
) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at) as pod:
        assert await ask(pod) == (200, "")
        await at.kill()
        assert await ask(pod) == (200, "")
        await at.start()
        await eventually(lambda: asyncio.to_thread(kinds, at), lambda found: found.count(Kind.OUTCOME) == 2)

        all_there = {"failing": "", "contentRefused": 0}

        def is_all_there(said: dict[str, Any]) -> bool:
            return bool(said["audit"]["collector"] == {"records": said["audit"]["records"], **all_there})

        await eventually(lambda: statusz(pod), is_all_there)


async def test_content_that_the_collector_refuses_is_what_the_operator_hears_of_the_pod(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at) as pod:

        async def heard() -> bool | None:
            echo = echo_of(await statusz(pod))
            return echo.content_refused if echo else None

        assert await heard() is False
        strange = tmp_path / "pod" / "audit" / FOLDER / "Internal" / f"no-day{SUFFIX}"
        await asyncio.to_thread(strange.parent.mkdir, parents=True)
        await asyncio.to_thread(strange.write_bytes, frame(CONTENT, b"x"))
        assert await ask(pod) == (200, "")
        await eventually(heard, lambda refused: refused is True)


async def test_on_sigterm_the_log_is_closed_and_shipped(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at) as pod:
        assert await ask(pod) == (200, "")
        pod.process.send_signal(signal.SIGTERM)
        assert await pod.ended() == 0
        assert kinds(at)[-1] is Kind.STOPPED
        assert "audit_unshipped" not in [line["event"] for line in pod.lines]


async def test_a_pod_that_ends_while_the_collector_is_away_says_what_is_left(tmp_path: Path) -> None:
    async with collector(tmp_path) as at:
        await at.kill()  # before the pod ships that it has started
        async with agent(tmp_path / "pod", at) as pod:
            assert await ask(pod) == (200, "")
            pod.process.send_signal(signal.SIGTERM)
            assert await pod.ended() == 0
            (line,) = [line for line in pod.lines if line["event"] == "audit_unshipped"]
            assert (line["reason"], line["collected"]) == ("unreachable", 0)


async def test_the_subjects_keys_are_the_collectors_and_none_is_left_in_the_pod(tmp_path: Path) -> None:
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at) as pod:
        assert await ask(pod) == (200, "")
        assert (at.logs / "demo" / "helper" / FILE).stat().st_size > 0
        assert not list((tmp_path / "pod").rglob(FILE))


@enforces("audit.retention")
async def test_the_collector_is_told_how_long_the_policy_wants_records_kept(tmp_path: Path) -> None:
    audit = {"durability": "Collector", "retentionSeconds": 7_000_000}
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at, **audit) as pod:
        assert await ask(pod) == (200, "")
        assert wanted(at.logs / LOG).seconds == 7_000_000


async def test_encrypted_content_goes_to_the_collector_too(tmp_path: Path) -> None:
    audit = {"durability": "Collector", "content": "Encrypted"}
    async with collector(tmp_path) as at, agent(tmp_path / "pod", at, **audit) as pod:
        assert await ask(pod) == (200, "")
        files = [path.read_bytes() for path in (at.logs / LOG).glob("content/Internal/*.enc")]
        assert files
        assert not [data for data in files if b"tulip" in data]


async def test_the_command_verifies_exports_and_erases_what_the_collector_keeps(tmp_path: Path) -> None:
    async with (
        collector(tmp_path) as at,
        agent(tmp_path / "pod", at, durability="Collector", content="Encrypted") as pod,
    ):
        assert await ask(pod) == (200, "")
        key = str(await at.verifier())
        assert await at.stop() == 0
    subject = ("--subject", "serviceaccount:demo/caller")
    verified = await command("verify", at.logs, "--key", key)
    assert verified == (0, f"{LOG}: records 0 to 3; signed up to 3\n")
    code, lines = await command("export", at.logs, *subject, "--content")
    assert (code, lines.count('"kind":'), "Whisper: tulip" in lines) == (0, 3, True)
    assert await command("erase", at.logs, *subject) == (0, "1 keys destroyed, 2 pieces of content overwritten\n")
    assert await command("export", at.logs, *subject, "--content") == (0, "")
    assert await command("verify", at.logs, "--key", key) == verified
    for path in (at.logs / LOG).glob("*.log"):
        path.write_bytes(path.read_bytes().replace(b'"kind":"intent"', b'"kind":"attemp"'))
    code, said = await command("verify", at.logs, "--key", key)
    assert (code, "BAD: record 1" in said) == (3, True)


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods ask at once who was erased."""
    monkeypatch.setattr(collectorkeys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(audit, "ERASURE_SECONDS", 0.05)


@pytest.mark.usefixtures("prompt")
async def test_an_erasure_at_the_collector_ends_what_a_pod_keeps_of_the_subject(tmp_path: Path) -> None:
    """Its conversations, its kept answers and its approvals, though the subject never comes back; and nobody else's."""
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "token").write_text(token())
    async with collector(tmp_path) as at, provider(*[answers("Yes.")] * 4) as fake:
        only = configs.provider_config("local", fake.url, temperature=0.2)
        document = configs.document(
            only, policy={"cache": {"maxSensitivity": "Internal"}}, state={"conversations": True}
        )
        async with serving(tmp_path / "pod", document, pod=POD, collector=at.url) as served:
            told = await asked(served)
            assert await asked(served, told) == told
            assert len(fake.requests) == 1, "the second time the kept answer is given"
            state = served.runtime.lifecycle.snapshot.state.state
            await state.propose(Approval("a", "x", owned("caller"), b""), 600)
            await state.propose(Approval("b", "x", owned("other"), b""), 600)
            assert (await command("erase", at.logs, "--subject", SUBJECT))[0] == 0
            await eventually(lambda: state.approval("a"), lambda found: found is None)
            assert await state.approval("b") is not None
            assert await asked(served, told) == "404"
            await asked(served)
            assert len(fake.requests) == 2


@pytest.mark.usefixtures("prompt")
async def test_a_pod_that_starts_after_an_erasure_ends_what_the_state_keeps(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(token(POD if name == "first" else OTHER_POD))
    async with collector(tmp_path) as at, provider(answers("Yes.")) as fake, redis_server(tmp_path) as redis:
        shared = {"redis": {"url": redis.url}, "conversations": True}
        document = configs.document(configs.provider_config("local", fake.url), state=shared)
        async with serving(tmp_path / "first", document, pod=POD, collector=at.url) as served:
            told = await asked(served)
        assert (await command("erase", at.logs, "--subject", SUBJECT))[0] == 0
        async with serving(tmp_path / "second", document, pod=OTHER_POD, collector=at.url) as served:
            await eventually(lambda: asked(served, told), lambda status: status == "404")


def owned(name: str) -> str:
    """What approvals bear of a caller."""
    return hashed(subject_digest(f"serviceaccount:demo/{name}"))


async def asked(served: Served, conversation: str | None = None) -> str:
    """The conversation's id, or the status of a refusal."""
    headers = {"X-Regent-Conversation": conversation} if conversation else {}
    status, _, answered = await served.post({"messages": [{"role": "user", "content": "Hi"}]}, headers=headers)
    return str(answered["X-Regent-Conversation"]) if status == 200 else str(status)


async def command(verb: str, folder: Path, *flags: str) -> tuple[int, str]:
    """Exit code and standard output of `regent audit`."""
    words = (sys.executable, "-I", "-m", "regent_api.audit", verb, str(folder), *flags)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_SECONDS)
    return process.returncode or 0, said.decode()
