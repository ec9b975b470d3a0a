"""The `regent` command under bad arguments, a full disk and a reader that leaves: one line on stderr, and an exit code."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.commands import regent
from tests.contract.dev_session import QUICKSTART, REGENT
from tests.fakes.audit import write_log

NOWHERE = ("--endpoint", "http://127.0.0.1:9")
MANIFESTS = ("-f", str(QUICKSTART))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("chat", "x", *NOWHERE, "--token-file", "/nonexistent"), 1, "No such file"),
        (("chat", "x", *NOWHERE, "--token-file", "/"), 1, "Is a directory"),
        (("chat", "x", "--endpoint", "http://h:99999"), 1, "Port out of range"),
        (("chat", "x", "--endpoint", "http://[::1"), 1, "Invalid IPv6"),
        (("approve", "x", "--endpoint", "http://h:99999"), 1, "Port out of range"),
        (("approve", "x", *NOWHERE, "--token-file", "/"), 1, "Is a directory"),
        (
            ("explain", "helper", "--caller", "quickstart/visitor", "--prompt", "\udcff", *MANIFESTS),
            1,
            "surrogates not allowed",
        ),
        (("lint", "-f", "/nonexistent\udcff"), 4, "does not exist"),
        (("dev", *MANIFESTS, "--port", "99999"), 2, "is no port; write a number"),
        (("dev", *MANIFESTS, "--port", "x"), 2, "is no port; write a number"),
        (("dev", "-f", "-"), 1, "regent dev follows files"),
    ],
)
def test_a_bad_argument_is_named_in_one_line(words: tuple[str, ...], code: int, said: str) -> None:
    ended, out, err = regent(*words)
    assert (ended, out) == (code, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_the_version_is_told() -> None:
    code, out, _ = regent("--version")
    assert (code, out.split()[0]) == (0, "regent")


def test_a_log_file_that_cannot_be_is_named() -> None:
    agent = ("dev", "-f", "examples/quickstart", "--port", "0", "--log-file", "/nonexistent/log")
    done = subprocess.run([*REGENT, *agent], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "error: [Errno 2] No such file or directory: '/nonexistent/log'",
    )


@pytest.mark.parametrize("program", [(*REGENT, "audit"), (*REGENT[:2], "-m", "regent_api.audit")])
def test_a_disk_that_is_full_and_a_reader_that_leaves_are_no_tracebacks(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    write_log(tmp_path, 2000, segment_bytes=1 << 20)
    export = [*program, "export", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(export, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("[Errno 28] No space left on device\n")
    assert done.stderr.count("\n") == 1

    with subprocess.Popen(export, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_findings_that_nobody_takes_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1")
    lint = [*REGENT, "lint", "-f", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(lint, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")

    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as left:
        done = subprocess.run(lint, stdout=left, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
