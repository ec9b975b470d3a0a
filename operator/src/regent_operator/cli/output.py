"""What the command says: data on stdout, for people or programs; progress, notes and errors on stderr."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import TextIO

_DIM, _RED, _BOLD, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Invitation:
    """What a caller needs to talk to one agent."""

    agent: str
    """NAMESPACE/NAME."""
    endpoint: str
    caller: str
    token: str
    admitted: bool
    """Whether the agent's policies let this caller in."""


_WRITTEN = "\n\t\u200c\u200d"
"""Lines, tabs, and the joiners of Persian, Hindi and emoji."""


def visible(text: str) -> str:
    """Text of others for a terminal: control and format characters are shown, not obeyed, but for those of writing."""
    return "".join(each if each.isprintable() or each in _WRITTEN else f"\\u{ord(each):04x}" for each in text)


class Progress:
    """Lines on stderr (in colour on a terminal) and invitations on stdout."""

    def __init__(self, err: TextIO = sys.stderr, out: TextIO = sys.stdout) -> None:
        self._err = err
        self._out = out
        self._colour = err.isatty()
        self._noted: set[str] = set()

    def say(self, text: str) -> None:
        self._line(_BOLD, text)

    def note(self, *texts: str) -> None:
        """Each text once a session, however often the manifests are read."""
        for text in texts:
            if text not in self._noted:
                self._noted.add(text)
                self._line(_DIM, text)

    def fail(self, text: str) -> None:
        for line in text.splitlines():
            self._line(_RED, f"error: {line}")

    def show(self, invitation: Invitation, output: str) -> None:
        """`json`: one object a line; `text`: variables, a curl command and a Python program to paste."""
        text = json.dumps(asdict(invitation)) if output == "json" else _words(invitation)
        self._out.write(text + "\n")
        self._out.flush()

    def _line(self, colour: str, text: str) -> None:
        text = visible(text)
        self._err.write(f"{colour}{text}{_PLAIN}\n" if self._colour else f"{text}\n")
        self._err.flush()


def _words(invitation: Invitation) -> str:
    name = invitation.agent.rpartition("/")[2]
    comment = f"# {invitation.agent}, as ServiceAccount {invitation.caller}"
    if not invitation.admitted:
        comment += " (whom its policies do not let in: expect 403)"
    body = json.dumps({"model": name, "stream": True, "messages": [{"role": "user", "content": "Hello!"}]})
    return f"""\
{comment}
export REGENT_ENDPOINT={invitation.endpoint}
export REGENT_TOKEN={invitation.token}

regent chat "Hello!"

curl -sN $REGENT_ENDPOINT/v1/chat/completions -H "Authorization: Bearer $REGENT_TOKEN" \\
  -H "Content-Type: application/json" -d '{body}'

python3 - <<'END'
import os
from openai import OpenAI

client = OpenAI(base_url=os.environ["REGENT_ENDPOINT"] + "/v1", api_key=os.environ["REGENT_TOKEN"])
for chunk in client.chat.completions.create(
    model="{name}", stream=True, messages=[{{"role": "user", "content": "Hello!"}}]
):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)
END
"""
