"""Caller pods: a ServiceAccount, a projected token for one agent, and the client program."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.e2e.kube import Kube, Object

CLIENT = (Path(__file__).parent / "client.py").read_text()
IMAGE = "localhost/python:3.11"
TOKEN_FOLDER = "/var/run/regent"


@dataclass
class Answer:
    """`text` is the whole answer; `pieces` how it arrived."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)
    finish: str | None = None
    done: bool = False
    """Whether a stream said [DONE]."""
    body: Any = None
    error: Any = None
    unreachable: str | None = None
    outcomes: list[tuple[float, int | None, str | None, str | None]] = field(default_factory=list)
    """Of a repeated request: seconds since the first, status (None: no connection), code, x-should-retry."""
    ended: bool = False

    @property
    def text(self) -> str:
        if self.body:
            return str(self.body["choices"][0]["message"]["content"])
        return "".join(self.pieces)

    @property
    def body_text(self) -> str | None:
        """Of a plain answer; None for a refusal, or no answer at all."""
        return self.text if self.status == 200 and self.body else None

    @property
    def code(self) -> str:
        return str((self.body or {}).get("error", {}).get("code"))

    def take(self, line: str) -> None:
        event = json.loads(line)
        self.status = event.get("status", self.status)
        self.headers = event.get("headers", self.headers)
        self.body = event.get("body", self.body)
        self.error = event.get("error", self.error)
        self.finish = event.get("finish") or self.finish
        self.done = event.get("done", self.done)
        self.unreachable = event.get("unreachable")
        self.outcomes = [tuple(outcome) for outcome in event.get("outcomes", self.outcomes)]
        self.ended = event.get("end", False)
        if event.get("text"):
            self.pieces.append(event["text"])


@dataclass(frozen=True)
class Caller:
    kube: Kube
    namespace: str
    pod: str

    def ask(self, agent: str, prompt: str = "Say hello.", *, token: str | None = "own", **more: Any) -> Answer:
        """One request, waited for. `agent` is NAMESPACE/NAME; `token` the agent's that the token is for, or None."""
        with self.stream(agent, prompt, token=token, stream=more.pop("stream", False), **more) as running:
            return running.rest()

    def stream(self, agent: str, prompt: str, *, token: str | None = "own", **more: Any) -> "Running":
        namespace, name = agent.split("/")
        audience = agent if token == "own" else token
        asked = {
            "url": more.pop("url", f"http://{name}.{namespace}.svc:8080/v1/chat/completions"),
            "token": f"{TOKEN_FOLDER}/{audience.replace('/', '.')}" if audience else None,
            "method": more.pop("method", "POST"),
            "headers": more.pop("headers", {}),
            "timeout": more.pop("timeout", 120),
            "repeat": more.pop("repeat", 0),
            "body": {"model": name, "messages": more.pop("messages", [{"role": "user", "content": prompt}])}
            | {"stream": True}
            | more,
        }
        words = ["exec", "--stdin", self.pod, "--namespace", self.namespace, "--", "python3", "-", json.dumps(asked)]
        return Running(
            subprocess.Popen(
                [str(self.kube.cluster.kubectl_program), *words],
                env=self.kube.cluster.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )


class Running:
    """A request under way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.answer = Answer()
        assert process.stdin
        process.stdin.write(CLIENT)
        process.stdin.close()

    def until_pieces(self, count: int) -> Answer:
        assert self.process.stdout
        while len(self.answer.pieces) < count:
            line = self.process.stdout.readline()
            assert line, f"the answer ended after {self.answer} {self._complaint()}"
            self.answer.take(line)
        return self.answer

    def rest(self) -> Answer:
        assert self.process.stdout
        for line in self.process.stdout:
            self.answer.take(line)
        self.process.wait()
        assert self.process.returncode == 0, self._complaint()
        return self.answer

    def _complaint(self) -> str:
        return self.process.stderr.read() if self.process.stderr else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def pod(name: str, namespace: str, service_account: str, agents: tuple[str, ...]) -> Object:
    """A pod that holds a token for each of the agents (NAMESPACE/NAME) and sleeps."""
    tokens = [
        {
            "serviceAccountToken": {
                "audience": f"regent.dev/{agent}",
                "path": agent.replace("/", "."),
                "expirationSeconds": 3600,
            }
        }
        for agent in agents
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "caller",
                    "image": IMAGE,
                    "command": ["python3", "-c", "import time; time.sleep(1e9)"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "tokens", "mountPath": TOKEN_FOLDER, "readOnly": True}],
                }
            ],
            "volumes": [{"name": "tokens", "projected": {"sources": tokens}}],
        },
    }


def start(kube: Kube, name: str, namespace: str, service_account: str, *agents: str) -> Caller:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": service_account, "namespace": namespace},
    }
    kube.apply(account, pod(name, namespace, service_account, agents))
    kube("wait", "--namespace", namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=120s", timeout=130)
    time.sleep(1)  # the enforcer learns of a new pod's address by its own watch
    return Caller(kube, namespace, name)
