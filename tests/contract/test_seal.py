"""Which configs a pod takes: the operator's alone, of this agent, and never an older one."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from regent_api.seal import LARGEST_SEQUENCE
from regent_runtime.seal import LARGEST_SEAL, SealRefused, Seals, Trust, trusted_keys
from tests.contract.processes import running
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.sealing import AGENT_UID, Sealing
from tests.fakes.serving import ConfigVolume, Served, serving
from tests.fakes.waiting import eventually

DOCUMENT = b'{"any": "bytes"}'
OURS, FOREIGN = Sealing(), Sealing()


def seals(tmp_path: Path, *trusted: Sealing) -> Seals:
    keys = trusted_keys([each.public for each in trusted or (OURS,)])
    return Seals(Trust(AGENT_UID, keys, tmp_path / "accepted.json"))


def changed(seal: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(seal), **fields}).encode()


def refusal(judge: Seals, seal: bytes, document: bytes = DOCUMENT) -> str:
    with pytest.raises(SealRefused) as refused:
        judge.check(document, seal)
    return str(refused.value)


def test_what_the_operator_sealed_is_good(tmp_path: Path) -> None:
    assert seals(tmp_path).check(DOCUMENT, OURS.seal(DOCUMENT, sequence=7)).sequence == 7


def test_any_other_byte_in_the_document_is_refused(tmp_path: Path) -> None:
    assert "not the one that the operator sealed" in refusal(seals(tmp_path), OURS.seal(DOCUMENT), DOCUMENT + b" ")


@pytest.mark.parametrize(
    "forge",
    [
        lambda seal: changed(seal, sequence=10**9),
        lambda seal: changed(seal, signatures=dict.fromkeys(json.loads(seal)["signatures"], "AAAA")),
        lambda seal: changed(seal, signatures=dict.fromkeys(json.loads(seal)["signatures"], "not base64!")),
        lambda seal: changed(seal, signatures=dict.fromkeys(json.loads(seal)["signatures"], "\u00e9")),
        lambda seal: changed(seal, signatures=dict.fromkeys(["0" * 16], *json.loads(seal)["signatures"].values())),
        lambda _: FOREIGN.seal(DOCUMENT),
    ],
    ids=["renumbered", "short signature", "no base64", "no ASCII", "unknown key id", "another key"],
)
def test_what_no_trusted_key_signed_is_refused(tmp_path: Path, forge: Callable[[bytes], bytes]) -> None:
    assert "not signed by a key that this pod trusts" in refusal(seals(tmp_path), forge(OURS.seal(DOCUMENT)))


def test_a_foreign_signature_under_the_name_of_our_key_is_refused(tmp_path: Path) -> None:
    (name,) = json.loads(OURS.seal(DOCUMENT))["signatures"]
    (signature,) = json.loads(FOREIGN.seal(DOCUMENT, sequence=5))["signatures"].values()
    forged = changed(OURS.seal(DOCUMENT, sequence=5), signatures={name: signature})
    assert "not signed" in refusal(seals(tmp_path), forged)


def test_the_seal_of_another_agent_is_refused(tmp_path: Path) -> None:
    assert "made for another agent" in refusal(seals(tmp_path), OURS.seal(DOCUMENT, uid="other"))
    renamed = changed(OURS.seal(DOCUMENT, uid="other"), uid=AGENT_UID)
    assert "not signed" in refusal(seals(tmp_path), renamed)


@pytest.mark.parametrize(
    "seal",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 4000,
        b" " * (LARGEST_SEAL + 1),
        changed(OURS.seal(DOCUMENT), more=1),
        changed(OURS.seal(DOCUMENT), sequence=LARGEST_SEQUENCE + 1),
        changed(OURS.seal(DOCUMENT), sequence=0),
        changed(OURS.seal(DOCUMENT), digest="md5:0"),
        changed(OURS.seal(DOCUMENT), signatures={}),
        changed(OURS.seal(DOCUMENT), signatures={str(n): "AAAA" for n in range(5)}),
    ],
)
def test_what_is_no_seal_is_refused_in_bounded_words(tmp_path: Path, seal: bytes) -> None:
    words = refusal(seals(tmp_path), seal)
    assert words.startswith("seal: ")
    assert len(words) < 100


def test_an_older_config_is_refused_and_the_same_one_sealed_anew_is_not(tmp_path: Path) -> None:
    judge, other = seals(tmp_path), b"{}"
    judge.accept(judge.check(DOCUMENT, OURS.seal(DOCUMENT, sequence=10)))
    for sequence in (1, 10):
        assert "older than the config in force" in refusal(judge, OURS.seal(other, sequence=sequence), other)
    judge.accept(judge.check(DOCUMENT, OURS.seal(DOCUMENT, sequence=3)))
    assert judge.sequence == 10, "the number never falls"
    assert judge.check(other, OURS.seal(other, sequence=11))


def test_a_restart_remembers_what_was_accepted(tmp_path: Path) -> None:
    first = seals(tmp_path)
    first.accept(first.check(DOCUMENT, OURS.seal(DOCUMENT, sequence=10)))
    again = seals(tmp_path)
    assert "older" in refusal(again, OURS.seal(b"{}", sequence=9), b"{}")
    again.accept(again.check(DOCUMENT, OURS.seal(DOCUMENT, sequence=10)))
    assert again.sequence == 10


def test_what_was_only_checked_leaves_no_trace(tmp_path: Path) -> None:
    judge = seals(tmp_path)
    judge.check(DOCUMENT, OURS.seal(DOCUMENT, sequence=10))
    assert judge.sequence is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_memory_lets_nothing_in(tmp_path: Path) -> None:
    (tmp_path / "accepted.json").write_text("{")
    assert "accepted.json is damaged" in refusal(seals(tmp_path), OURS.seal(DOCUMENT))


def test_while_keys_follow_one_another_either_is_enough(tmp_path: Path) -> None:
    both = json.loads(OURS.seal(DOCUMENT, sequence=1))["signatures"]
    both |= json.loads(FOREIGN.seal(DOCUMENT, sequence=1))["signatures"]
    seal = changed(OURS.seal(DOCUMENT, sequence=1), signatures=both)
    for trusted in ((OURS,), (FOREIGN,), (OURS, FOREIGN)):
        assert seals(tmp_path, *trusted).check(DOCUMENT, seal)


@pytest.mark.parametrize("text", ["", "rsa:AAAA", "ed25519:", "ed25519:AAAA", "ed25519:?", "ed25519:" + "A" * 100])
def test_what_is_no_key_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        trusted_keys([text])


async def refused(served: Served) -> str:
    status = await served.until(lambda status: status["configError"] is not None)
    error: str = status["configError"]
    return error


def closed_and_open(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A config, and a valid laxer edit of it."""
    closed = configs.document(configs.provider_config("local", url))
    return closed, configs.merged(closed, {"policy": {"callers": {"anonymous": "Allow"}}})


async def anonymous(served: Served) -> int:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    return (await served.post(body, token=None))[0]


async def test_a_valid_laxer_edit_by_hand_is_refused(tmp_path: Path) -> None:
    async with provider() as fake:
        closed, lax = closed_and_open(fake.url)
        async with serving(tmp_path, closed) as served:
            digests = (await served.statusz())["digests"]
            edited = json.dumps(lax).encode()
            for seal in (b"", (served.volume.path.resolve().parent / "agent.seal.json").read_bytes()):
                served.volume.write(edited, seal)
                assert "seal: " in await refused(served)
                assert await anonymous(served) == 401
            status = await served.statusz()
            assert status["digests"] == digests
            assert status["configSequence"] == 1
            served.volume.write(lax)
            await served.until(lambda status: status["configError"] is None)
            assert await anonymous(served) == 200, "from the operator it would count"


async def test_a_replayed_old_config_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    async with provider() as fake, aiohttp.ClientSession() as http:
        closed, lax = closed_and_open(fake.url)
        volume = ConfigVolume(tmp_path / "config")
        volume.directory.mkdir()
        volume.write(lax)
        document = volume.path.read_bytes()
        seal = (volume.path.resolve().parent / "agent.seal.json").read_bytes()
        async with running(tmp_path, {}, volume) as pod:
            volume.write(closed)
            await eventually(lambda: _statusz(http, pod.status_url), lambda status: status["configSequence"] == 2)
            volume.write(document, seal)
            status = await eventually(
                lambda: _statusz(http, pod.status_url), lambda status: status["configError"] is not None
            )
            assert "older than the config in force" in status["configError"]
            assert status["digests"]["config"] == configs.AgentConfig.model_validate(closed).digests().config
        async with running(tmp_path, {}, volume) as pod:
            status = await _statusz(http, pod.status_url)
            assert "older than the config in force" in status["configError"]
            assert status["digests"] is None
            assert (await http.get(f"{pod.status_url}/readyz")).status == 503


async def test_a_config_that_cannot_be_remembered_is_not_taken(tmp_path: Path) -> None:
    async with provider() as fake:
        closed, lax = closed_and_open(fake.url)
        async with serving(tmp_path, closed) as served:
            (tmp_path / "state" / "accepted.json.draft").mkdir()
            served.volume.write(lax)
            assert "accepted.json" in await refused(served)
            assert await anonymous(served) == 401
            (tmp_path / "state" / "accepted.json.draft").rmdir()
            await served.until(lambda status: status["configError"] is None)


async def _statusz(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(f"{url}/statusz") as response:
        return await response.json()


def test_base64_of_a_signature_fits_its_bound() -> None:
    assert len(base64.b64encode(b"\0" * 64)) == 88
