"""`regent audit` on logs as the runtime writes them."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from regent_api.audit import segment
from regent_operator.cli.main import main
from tests.contract.audit.mutations import records, rewrite
from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.audit import NAME, SIGNER, write_log
from tests.fakes.provider import answers, provider
from tests.fakes.serving import serving
from tests.fakes.waiting import eventually

SUBJECT = "serviceaccount:demo/caller"


def regent(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()  # lines of a runtime in this process
    with pytest.raises(SystemExit) as ended:
        main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


def test_verify_names_a_sound_log_and_the_first_bad_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path / "log")
    key = tmp_path / "key"
    key.write_text(f"{SIGNER.verifier}\n")
    code, out, _ = regent(capsys, "verify", tmp_path, "--key", key)
    assert (code, out) == (0, f"{NAME}: records 0 to 29; signed up to 29\n")
    assert regent(capsys, "verify", tmp_path)[1] == f"{NAME}: records 0 to 29; unsigned: no key was given\n"
    first = segment.segments(tmp_path / "log")[0]
    payloads = records(first)
    payloads[4] = payloads[4].replace(b"turn-1", b"turn-9")
    rewrite(first, payloads)
    code, out, _ = regent(capsys, "verify", tmp_path, "--key", str(SIGNER.verifier))
    assert code == 3
    assert out.startswith(f"{NAME}: BAD: record 4 ")
    code, out, _ = regent(capsys, "verify", tmp_path, "-o", "json")
    assert (code, json.loads(out)["problem"]["sequence"]) == (3, 4)
    code, out, err = regent(capsys, "export", tmp_path)
    assert (code, len(out.splitlines()), "record 4" in err) == (3, 5, True)


@pytest.mark.parametrize("command", [["verify"], ["export"], ["erase", "--subject", SUBJECT]])
def test_where_there_is_no_log_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        code, out, err = regent(capsys, command[0], folder, *command[1:])
        assert (code, out, bool(err)) == (4, "", True)


def test_a_key_that_is_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, 1)
    code, _, err = regent(capsys, "verify", tmp_path, "--key", "nonsense")
    assert (code, "NAME+HASH+BASE64" in err) == (1, True)


@pytest.mark.parametrize("command", ["export", "erase"])
def test_a_subject_of_no_known_form_is_never_said_to_be_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    write_log(tmp_path, 1)
    code, out, err = regent(capsys, command, tmp_path, "--subject", "demo/caller")
    assert (code, out, "write serviceaccount:NAMESPACE/NAME" in err) == (2, "", True)


def test_content_without_a_subject_is_no_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, 1)
    code, out, err = regent(capsys, "export", tmp_path, "--content")
    assert (code, out, "--subject" in err) == (2, "", True)


def of_subject(capsys: pytest.CaptureFixture[str], folder: Path) -> list[dict[str, object]]:
    code, out, _ = regent(capsys, "export", folder, "--subject", SUBJECT, "--content")
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


@enforces("audit.content")
async def test_a_subject_is_linkable_before_erasure_and_not_after_and_the_chain_stays_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = tmp_path / "audit"
    async with provider(answers("Rose.")) as fake:
        document = configs.document(configs.provider_config("p", fake.url), policy={"audit": {"content": "Encrypted"}})
        async with serving(tmp_path, document) as served:
            await served.ask("Tulip?")
            await served.post(
                {"messages": [{"role": "user", "content": "Other?"}]},
                headers={"Authorization": f"Bearer {configs.token('other')}"},
            )
            before = of_subject(capsys, audit)
            assert [each["kind"] for each in before] == ["intent", "attempt", "outcome"]
            assert (before[0]["texts"], before[2]["texts"]) == (["user", "Tulip?"], ["Rose."])
            code, out, _ = regent(capsys, "erase", audit, "--subject", "system:serviceaccount:demo:caller")
            assert (code, out) == (0, "1 keys destroyed, 2 pieces of content overwritten\n")
            assert of_subject(capsys, audit) == []
            assert regent(capsys, "erase", audit, "--subject", SUBJECT)[0] == 4
            await served.ask("Tulip?")  # the running agent has no key in memory that would outlive the erasure
    after = of_subject(capsys, audit)
    assert len(after) == 3
    assert {each["caller"] for each in after}.isdisjoint(each["caller"] for each in before)
    assert after[0]["input"] != before[0]["input"]
    code, out, _ = regent(capsys, "verify", audit)
    assert (code, "BAD" in out) == (0, False)
    code, out, _ = regent(capsys, "export", audit, "--subject", "serviceaccount:demo/other", "--content")
    assert json.loads(out.splitlines()[0])["texts"] == ["user", "Other?"]


def test_a_pod_without_the_command_has_the_module(tmp_path: Path) -> None:
    write_log(tmp_path, 1)
    command = [sys.executable, "-I", "-m", "regent_api.audit", "verify", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, NAME in done.stdout) == (0, True)


def config(url: str) -> dict[str, object]:
    return configs.document(configs.provider_config("p", url), state={"conversations": True})


async def test_an_erasure_ends_the_subjects_conversations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regent_runtime.audit.audit.ERASURE_SECONDS", 0.05)
    body = {"messages": [{"role": "user", "content": "Hi"}]}

    async def again(headers: dict[str, str]) -> int:
        return (await served.post(body, headers=headers))[0]

    async with provider() as fake, serving(tmp_path, config(fake.url)) as served:
        conversations = {}
        for name in ("caller", "other"):
            authorization = {"Authorization": f"Bearer {configs.token(name)}"}
            _, _, headers = await served.post(body, headers=authorization)
            conversations[name] = authorization | {"X-Regent-Conversation": headers["x-regent-conversation"]}
        assert await again(conversations["caller"]) == 200
        assert regent(capsys, "erase", tmp_path / "audit", "--subject", SUBJECT)[0] == 0
        await eventually(partial(again, conversations["caller"]), lambda code: code == 404)
        assert await again(conversations["other"]) == 200
