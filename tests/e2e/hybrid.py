"""examples/hybrid on the node: its agents, its clouds that fail on command, and what is known of a turn afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import caller
from tests.e2e.caller import Answer, Caller
from tests.e2e.conftest import ROOT, Installed
from tests.e2e.kube import Kube, Object, condition

EXAMPLE = ROOT / "examples" / "hybrid"
WHERE, OUTSIDE = "hybrid", "hybrid-clouds"
AGENTS = ("assistant", "personnel")
CLOUDS = ("cloud-a", "cloud-b")
CONFIDENTIAL = {"x-regent-sensitivity": "Confidential"}
HERE = "http://127.0.0.1:8080"
EXPORT = (
    "import subprocess, sys\n"
    "words = [sys.executable, '-I', '-m', 'regent_api.audit', 'export', '/var/lib/regent/audit']\n"
    "sys.exit(subprocess.run(words).returncode)\n"
)


@dataclass(frozen=True)
class Audited:
    """What the audit log holds of one turn."""

    attempts: list[str]
    """Providers of the attempts that were written before they were sent."""
    outcome: Object

    @property
    def tried(self) -> list[tuple[str, str]]:
        """(provider, outcome) of each attempt, written at the end."""
        return [(each["provider"], each["outcome"]) for each in self.outcome.get("attempts", [])]


@dataclass(frozen=True)
class Hybrid:
    kube: Kube
    staff: Caller

    def ask(self, agent: str = "assistant", prompt: str = "Say hello.", **more: Any) -> Answer:
        return self.staff.ask(f"{WHERE}/{agent}", prompt, **more)

    def switch(self, cloud: str, mode: str) -> None:
        body = json.dumps({"mode": mode}).encode()
        self._in_cloud(cloud, f"u.urlopen('{HERE}/mode', {body!r})")

    def seen(self, cloud: str) -> list[Object]:
        """All that was ever asked of a cloud."""
        found: list[Object] = json.loads(self._in_cloud(cloud, f"print(u.urlopen('{HERE}/seen').read().decode())"))
        return found

    def counts(self) -> dict[str, int]:
        return {cloud: len(self.seen(cloud)) for cloud in CLOUDS}

    def until_well(self) -> None:
        """Both clouds answer, and the first is asked first: nothing that was learnt of its faults keeps it out."""
        for cloud in CLOUDS:
            self.switch(cloud, "alive")
        self.kube.until("the first cloud is asked again", lambda: self.ask().body_text == "from cloud-a")

    def audited(self, agent: str, answer: Answer) -> Audited:
        """Of the turn that gave an answer, once its outcome is written."""
        turn = answer.headers["x-regent-turn"]
        found: list[Object] = []

        def concluded() -> bool:
            (pod,) = self.kube.pods(agent, WHERE)
            lines = self.kube.python(pod["metadata"]["name"], WHERE, EXPORT).splitlines()
            found[:] = [record for line in lines if (record := json.loads(line)).get("turn") == turn]
            return any(record["kind"] == "outcome" for record in found)

        self.kube.until("the outcome is in the audit log", concluded)
        attempts = [part["provider"] for record in found if record["kind"] == "attempt" for part in record["attempts"]]
        (outcome,) = (record for record in found if record["kind"] == "outcome")
        return Audited(attempts, outcome)

    def explained(self, agent: str, *words: str) -> Object:
        """`regent explain --route` of the config that the agent's pods hold."""
        regent = Path(sys.executable).parent / "regent"
        asked = ("explain", agent, "--namespace", WHERE, "--caller", f"{WHERE}/staff", "--prompt", "Say hello.")
        path = f"{self.kube.cluster.kubectl_program.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [regent, *asked, "--route", "--output", "json", *words],
            capture_output=True,
            text=True,
            env={**self.kube.cluster.environment, "PATH": path},
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: Object = json.loads(done.stdout)
        return said

    def scale(self, deployment: str, namespace: str, replicas: int) -> None:
        self.kube("scale", f"deployment/{deployment}", "--namespace", namespace, f"--replicas={replicas}")
        if replicas:
            rolled_out(self.kube, deployment, namespace)
        else:
            label = f"app.kubernetes.io/name={deployment}"
            self.kube.until(f"{deployment} is gone", lambda: not self.kube.all_of("pods", namespace, label))

    @contextmanager
    def timeouts(self, **seconds: str) -> Iterator[None]:
        """Other timeouts of the route in force, and the example's again at the end."""
        own = self.kube.get("modelroute", "hybrid", WHERE)["spec"]["timeouts"]
        self._edit({**own, **seconds})
        yield
        self._edit(own)

    def _edit(self, timeouts: Mapping[str, str]) -> None:
        def digest() -> str:
            return str(self.kube.get("aiagent", "assistant", WHERE)["status"]["digests"]["route"])

        def enforced() -> bool:
            found = self.kube.get("aiagent", "assistant", WHERE)
            return digest() != before and condition(found, "Ready").get("status") == "True"

        before = digest()
        self.kube.patch("modelroute", "hybrid", WHERE, {"spec": {"timeouts": timeouts}})
        self.kube.until("the route's timeouts are in force", enforced)

    def _in_cloud(self, cloud: str, statement: str) -> str:
        return self.kube.python(f"deployment/{cloud}", OUTSIDE, f"import urllib.request as u\n{statement}")


def rolled_out(kube: Kube, deployment: str, namespace: str) -> None:
    words = ("rollout", "status", f"deployment/{deployment}", "--namespace", namespace, "--timeout=180s")
    kube(*words, timeout=190)


@contextmanager
def applied(regent: Installed) -> Iterator[Hybrid]:
    """The example as it is, and nothing of it at the end."""
    kube = regent.kube
    kube.apply(EXAMPLE)
    for agent in AGENTS:
        kube.until_ready(agent, WHERE)
    for cloud in CLOUDS:
        rolled_out(kube, cloud, OUTSIDE)
    rolled_out(kube, "onprem", WHERE)
    yield Hybrid(kube, caller.start(kube, "staff", WHERE, "staff", *(f"{WHERE}/{agent}" for agent in AGENTS)))
    kube("delete", "--filename", EXAMPLE, "--timeout=180s", timeout=190)
