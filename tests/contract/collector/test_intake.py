"""The collector as a process: what it keeps, what it refuses, and what a restart finds again."""

import asyncio
import json
from pathlib import Path

import pytest

from regent_api.audit import segment
from regent_api.audit.erase import erase
from regent_api.audit.frame import frame, frames
from regent_api.audit.subjects import subject_digest
from regent_api.audit.verify import verify
from tests.fakes import configs
from tests.fakes.collecting import OTHER_POD, POD, CollectorProcess, Writer, body, cluster_keys, collector, token
from tests.fakes.waiting import eventually

LOG = Path("demo", "helper", POD)


def kept(running: CollectorProcess, log: Path = LOG) -> list[bytes]:
    return [payload for _, payload in segment.payloads(running.logs / log)]


async def found(running: CollectorProcess) -> list[tuple[str, ...]]:
    """What it tells of pods whose logs are not in order."""
    said = json.loads(await running.said("/findings"))["findings"]
    return [(each["namespace"], each["agent"], each["pod"], each["code"]) for each in said]


async def signed(running: CollectorProcess) -> int:
    """Records of the first log that a valid checkpoint covers."""
    (found, *_) = verify(running.logs, await running.verifier())
    return found.signed


async def test_records_are_kept_as_they_were_sealed_and_signed_within_seconds(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        assert await running.held() == 0
        assert await running.take(writer.write(3)) == 3
        assert await running.take(writer.write(2)) == 5
        assert await running.held() == 5
        assert kept(running) == writer.payloads
        await eventually(lambda: signed(running), lambda size: size == 5)
        (found,) = verify(running.logs, await running.verifier())
        assert (found.log, found.problem) == (f"demo/helper/{POD}", None)


async def test_records_that_are_refused_take_no_room(tmp_path: Path) -> None:
    async with collector(tmp_path, "--most-bytes", "20000") as running:
        forked = Writer(pod=OTHER_POD).write(10, code="x" * 400)
        for _ in range(10):
            assert (await running.post(forked))[0] == 409
        assert await running.take(Writer().write(3)) == 3


async def test_what_is_sent_again_is_kept_once(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        first = writer.write(3)
        assert await running.take(first) == 3
        assert await running.take(first) == 3
        assert await running.take(writer.payloads[1:] + writer.write(2)) == 5
        assert kept(running) == writer.payloads
        assert "regent_collector_records_total 5.0" in await running.said("/metrics")


async def test_what_was_acknowledged_survives_a_kill_and_the_rest_is_sent_again(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        for _ in range(20):
            assert await running.take(writer.write(7)) == len(writer.payloads)
        acknowledged = len(writer.payloads)
        sending = asyncio.ensure_future(running.post(writer.write(500)))
        await running.kill()
        await asyncio.wait([sending])
        await running.start()
        held = await running.held()
        assert held >= acknowledged
        assert await running.take(writer.payloads[held:]) == len(writer.payloads)
        assert kept(running) == writer.payloads
        await eventually(lambda: signed(running), lambda size: size == len(writer.payloads))


async def test_what_was_taken_right_before_a_kill_is_signed_after_the_next_start(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        assert (await running.post(Writer().write(3)))[0] == 200
        await running.kill()
        await running.start()
        await eventually(lambda: signed(running), lambda size: size == 3)


async def test_on_sigterm_everything_taken_is_signed(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        key = await running.verifier()
        assert (await running.post(Writer().write(3)))[0] == 200
        assert await running.stop() == 0
        (found,) = verify(running.logs, key)
        assert (found.signed, found.problem) == (3, None)


async def test_a_gap_is_refused_and_says_where_to_go_on(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        await running.post(writer.write(2))
        writer.write(1)
        status, said = await running.post(writer.write(1))
        assert (status, said["error"]["code"], said["error"]["size"]) == (409, "gap", 2)
        assert 'regent_collector_refused_total{reason="gap"} 1.0' in await running.said("/metrics")
        assert await found(running) == [("demo", "helper", POD, "gap")]
        assert kept(running) == writer.payloads[:2]


@pytest.mark.parametrize("where", ["in what is kept", "behind it", "at the beginning"])
async def test_a_fork_is_refused_counted_and_nothing_of_it_kept(tmp_path: Path, where: str) -> None:
    async with collector(tmp_path) as running:
        writer, forked = Writer(), Writer()
        writer.write(4)
        for number in range(4):
            forked.write(1, code="forked" if number == 2 or where == "at the beginning" else "")
        await running.post(writer.payloads)
        forked.write(1)
        sent = {"in what is kept": forked.payloads, "behind it": forked.payloads[4:]}
        status, said = await running.post(sent.get(where, forked.payloads[:1]))
        assert (status, said["error"]["code"], said["error"]["size"]) == (409, "fork", 4)
        assert 'regent_collector_refused_total{reason="fork"} 1.0' in await running.said("/metrics")
        assert await found(running) == [("demo", "helper", POD, "fork")]
        assert kept(running) == writer.payloads


async def test_a_log_of_another_pod_cannot_be_sent_as_ones_own(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        status, said = await running.post(Writer(pod=OTHER_POD).write(1))
        assert (status, said["error"]["code"]) == (409, "fork")
        assert kept(running) == []


async def test_records_of_another_agent_are_refused_whatever_the_body_says(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        status, said = await running.post(writer.write(1, agent="demo/other"))
        assert (status, said["error"]["code"]) == (403, "foreign")
        assert await found(running) == [("demo", "helper", POD, "foreign")]
        assert not running.logs.joinpath("demo").exists()


REFUSED_TOKENS = {
    "none": "",
    "nonsense": "nonsense",
    "another audience": configs.token(audience="regent.dev/demo/helper"),
    "bound to no pod": configs.token(audience="regent-collector"),
    "expired": token(exp=1),
    "not yet valid": token(nbf=4_000_000_000),
    "too long-lived": token(exp=4_000_000_000),
    "another issuer": token(iss="https://elsewhere"),
    "another subject": token(sub="system:serviceaccount:demo:other"),
    "a path for a pod": token(pod="../../etc"),
    "a path for an agent": token(agent="..", sub="system:serviceaccount:demo:.."),
    "alg none": "eyJhbGciOiJub25lIn0." + token().split(".")[1] + ".",
    "an altered claim": ".".join((token().split(".")[0], token(OTHER_POD).split(".")[1], token().split(".")[2])),
    "oversize": "x" * 5000,
}


async def test_without_a_pods_token_nothing_is_taken(collecting: CollectorProcess) -> None:
    for what, bearer in REFUSED_TOKENS.items():
        for method, path in (
            ("POST", "/v1/log"),
            ("GET", "/v1/log"),
            ("POST", "/v1/subjects"),
            ("GET", "/v1/erasures"),
        ):
            status, said = await collecting.call(method, path, b"", bearer)
            assert (status, said["error"]["code"]) == (401, "token_refused"), (what, path)
    assert list(collecting.logs.iterdir()) == []


async def test_the_clusters_new_keys_are_followed_without_a_restart(tmp_path: Path) -> None:
    async with cluster_keys() as (keys, address):
        good, keys.jwks = keys.jwks, {"keys": []}
        running = CollectorProcess(tmp_path, address)
        await running.start()
        try:
            assert (await running.call("GET", "/v1/log"))[0] == 401
            asked, keys.jwks = keys.asked, good
            await eventually(lambda: running.call("GET", "/v1/log"), lambda said: said[0] == 200)
            assert keys.asked <= asked + 2, "made-up tokens are no flood of requests"
        finally:
            await running.kill()


async def test_a_malformed_body_is_refused(collecting: CollectorProcess) -> None:
    cut = body(Writer().write(2))[:-1]
    for data in (
        b"nonsense",
        b"R" * 100,
        b"\0" * 9,
        cut,
        frame(b"C", b"content"),
        body([b"{}"]),
        body([b'{"kind":7}']),
    ):
        status, said = await collecting.post(data)
        assert (status, said["error"]["code"]) == (400, "malformed"), data
    assert list(collecting.logs.iterdir()) == []


async def test_a_full_volume_is_refused_and_what_is_there_stays(tmp_path: Path) -> None:
    async with collector(tmp_path, "--most-bytes", "20000") as running:
        writer = Writer()
        assert (await running.post(writer.write(10)))[0] == 200
        status, said = await running.post(writer.write(500))
        assert (status, said["error"]["code"], said["error"]["size"]) == (507, "full", 10)
        assert kept(running) == writer.payloads[:10]


async def test_many_pods_at_once(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writers = [Writer(pod=f"0f6a1c52-0000-4000-8000-{number:012d}") for number in range(24)]

        async def send(writer: Writer) -> None:
            for _ in range(5):
                status, _ = await running.post(writer.write(3), token(writer.pod))
                assert status == 200

        await asyncio.gather(*map(send, writers))
        for writer in writers:
            assert kept(running, Path("demo", "helper", writer.pod)) == writer.payloads


async def test_a_subjects_key_is_the_same_in_all_pods_of_an_agent_and_no_other_agents(tmp_path: Path) -> None:
    async def key(running: CollectorProcess, subject: str, bearer: str) -> str:
        status, said = await running.call("POST", "/v1/subjects", json.dumps({"subject": subject}).encode(), bearer)
        assert status == 200
        return str(said["key"])

    async with collector(tmp_path) as running:
        mine = await key(running, "alice", token())
        assert await key(running, "alice", token(OTHER_POD)) == mine
        assert await key(running, "bob", token()) != mine
        assert await key(running, "alice", token(agent="other")) != mine
        assert await key(running, "alice", token(namespace="else")) != mine
        await running.kill()
        await running.start()
        assert await key(running, "alice", token()) == mine


async def test_who_was_erased_is_told_to_the_pods_of_that_agent_alone(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:

        async def erased(after: str, **of: str) -> tuple[str, list[str]]:
            status, said = await running.call("GET", f"/v1/erasures{after}", bearer=token(**of))
            assert status == 200
            return f"?after={said['next']}", said["subjects"]

        for agent in ("helper", "other"):
            await running.call("POST", "/v1/subjects", b'{"subject":"alice"}', token(agent=agent))
        await running.call("POST", "/v1/subjects", b'{"subject":"bob"}', token())
        first, none = await erased("")
        assert none == []
        assert (await asyncio.to_thread(erase, running.logs / "demo" / "helper", "alice")).keys == 1
        second, told = await erased(first)
        assert told == [subject_digest("alice")]
        assert await erased(second) == (second, [])
        assert (await erased("", agent="other"))[1] == []
        assert (await asyncio.to_thread(erase, running.logs, "bob")).keys == 1
        assert (await erased(second))[1] == [subject_digest("bob")]
        assert (await erased("?after=nonsense"))[1] == [subject_digest("alice"), subject_digest("bob")]


async def test_a_malformed_subject_is_refused(collecting: CollectorProcess) -> None:
    for data in (
        b"",
        b"[]",
        b'{"subject":""}',
        b'{"subject":7}',
        b'{"subject":"\\ud800"}',
        b'{"subject":"%s"}' % (b"x" * 2000),
    ):
        status, said = await collecting.call("POST", "/v1/subjects", data)
        assert (status, said["error"]["code"]) == (400, "malformed"), data


async def test_a_torn_end_is_cut_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        writer = Writer()
        await running.take(writer.write(3))
        await running.kill()
        (path,) = segment.segments(running.logs / LOG)
        with path.open("ab") as file:
            file.write(body(writer.write(1))[:-5])
        await running.start()
        assert await running.held() == 3
        assert await running.take(writer.payloads[3:]) == 4
        assert kept(running) == writer.payloads
        await eventually(lambda: signed(running), lambda size: size == 4)
        assert len(verify(running.logs)) == 1, "what was cut off is no log"


async def test_a_log_that_a_disk_changed_is_kept_as_it_is_and_told_of(tmp_path: Path) -> None:
    """Signed records stand behind the bad one: nothing of them is cut off, at the start or for a pod that sends more."""
    async with collector(tmp_path) as running:
        key = await running.verifier()
        writer = Writer()
        await running.take(writer.write(12))
        await eventually(lambda: signed(running), lambda size: size == 12)
        await running.kill()
        (path,) = segment.segments(running.logs / LOG)
        data = bytearray(path.read_bytes())
        data[[each.start for each in frames(bytes(data))][1 + 3] + 40] ^= 4
        path.write_bytes(data)
        (running.logs / LOG / segment.CHECKPOINTS).touch()
        path.touch()  # as if it had been written after its last checkpoint: the start looks at it
        await running.start()
        await eventually(lambda: found(running), lambda told: told == [("demo", "helper", POD, "damaged")])
        status, said = await running.call("POST", "/v1/log", body(writer.write(1)))
        assert (status, said["error"]["code"]) == (409, "damaged")
        assert await running.stop() == 0
        assert path.read_bytes() == bytes(data)
        (verified,) = verify(running.logs, key)
        assert verified.problem is not None
        assert verified.problem.sequence == 3


async def test_a_log_that_was_changed_on_the_volume_is_not_signed_again(tmp_path: Path) -> None:
    async with collector(tmp_path) as running:
        key = await running.verifier()
        await running.take(Writer().write(3))
        await eventually(lambda: signed(running), lambda size: size == 3)
        await running.kill()
        (path,) = segment.segments(running.logs / LOG)
        forged = Writer()
        forged.write(3, code="forged")
        path.write_bytes(segment.header(Writer().chain) + body(forged.payloads))
        await running.start()
        await eventually(lambda: found(running), lambda told: told == [("demo", "helper", POD, "damaged")])
        status, said = await running.call("POST", "/v1/log", body(forged.write(1)))
        assert (status, said["error"]["code"]) == (409, "damaged"), "nothing is put behind what was forged"
        assert await running.stop() == 0
        (verified,) = verify(running.logs, key)
        assert verified.problem is not None
        assert "not those that were signed" in verified.problem.what
