"""What both demos show: a question with its streamed answer, and a request that the policy refuses, with the reason.

Transcript on stdout, progress on stderr. A demo that does not go as told ends with DemoFailed.
"""

import sys
import time
from dataclasses import dataclass

from regent_operator.cli.ask import RefusedError, ask
from regent_operator.cli.exchange import UnreachableError

QUESTION = "Give me one tip for writing good documentation."
REFUSED_STATUS = 403


class DemoFailed(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """Something did not go as the demo tells."""


@dataclass(frozen=True)
class Stage:
    """The agent `helper` of examples/quickstart, and tokens of its two callers."""

    endpoint: str
    visitor: str
    """Token of quickstart/visitor, whom the policy lets in."""
    stranger: str
    """Token of quickstart/stranger, a ServiceAccount of the same namespace whom no policy names."""


def play(stage: Stage, begun: float, beginning: str) -> None:
    """Both scenes, and how long after `begun` (time.monotonic) the whole first answer was there. Raises DemoFailed."""
    show_answer(stage)
    say(f"first answer {time.monotonic() - begun:.1f} s after {beginning}")
    show_refusal(stage)


def show_answer(stage: Stage) -> None:
    out(f"visitor  > {QUESTION}\nhelper   > ")
    begun, answer = time.monotonic(), ""
    try:
        for delta in ask(stage.endpoint, [{"role": "user", "content": QUESTION}], token=stage.visitor):
            answer += delta
            out(delta)
    except (RefusedError, UnreachableError) as error:
        raise DemoFailed(f"the visitor got no answer: {error}") from None
    out("\n\n")
    if not answer.strip():
        raise DemoFailed("the answer is empty")
    say(f"answered by the model in {time.monotonic() - begun:.1f} s")


def show_refusal(stage: Stage) -> None:
    out(f"stranger > {QUESTION}\n")
    try:
        answer = "".join(ask(stage.endpoint, [{"role": "user", "content": QUESTION}], token=stage.stranger))
    except RefusedError as refused:
        if refused.status != REFUSED_STATUS:
            raise DemoFailed(f"the stranger was refused otherwise than told: {refused}") from None
        out(f"helper   > {refused.status} {refused.code}: {refused.message}\n")
        out("           (house-rules lets in `visitor` alone: spec.callers.serviceAccounts in policy.yaml)\n\n")
    except UnreachableError as error:
        raise DemoFailed(str(error)) from None
    else:
        raise DemoFailed(f"the stranger was answered: {answer}")


def out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
