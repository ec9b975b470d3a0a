"""`make demo` from outside: what it prints, and that it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.contract.dev_session import answers

DEMO = (sys.executable, "tools/demo.py")
TRANSCRIPT = r"""endpoint   (http://127\.0\.0\.1:[0-9]+)
token      [-_.A-Za-z0-9]+

visitor  > .+
helper   > .+

stranger > .+
helper   > 403 caller_not_allowed: .+
           \(house-rules lets in `visitor` alone: .+\)
"""


def test_the_demo_answers_and_refuses_and_ends() -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    match = re.match(TRANSCRIPT, done.stdout, re.DOTALL)
    assert match is not None, done.stdout
    answered = re.search(r"^answered by the model in ([0-9.]+) s$", done.stderr, re.MULTILINE)
    first = re.search(r"^first answer ([0-9.]+) s after the start", done.stderr, re.MULTILINE)
    assert answered is not None, done.stderr
    assert first is not None, done.stderr
    assert float(first[1]) > float(answered[1]), "to start agent and model takes time, too"
    assert not answers(match[1])
    assert "Ctrl-C" not in done.stderr
    refusal = re.search(r"^helper   > 403 .+$", done.stdout, re.MULTILINE)
    assert refusal is not None
    assert refusal[0] in Path("README.md").read_text()


def test_kept_up_it_serves_until_it_is_ended() -> None:
    with subprocess.Popen(
        DEMO, env={**os.environ, "KEEP": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if "regent chat" in line:
                break
        endpoint = lines[0].split()[1]
        assert answers(endpoint)
        assert any("Ctrl-C ends all" in line for line in demo.stderr)

        demo.send_signal(signal.SIGINT)

        assert demo.wait(120) == 0, demo.stderr.read()
        assert not answers(endpoint)
