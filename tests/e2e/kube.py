"""What the e2e tests ask of a cluster: objects as dicts, conditions, waiting, and the history of an object's status."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from tests import cluster
from tests.cluster import build, command, wait

PATIENCE_S = 180
Object = dict[str, Any]


CONTROLLER = ("--as", "system:serviceaccount:kube-system:by-hand", "--as-group", "system:masters")


class Kube:
    """`who`: kubectl's words for whom to act as; none: the cluster's admin."""

    def __init__(self, on: cluster.Cluster, who: tuple[str, ...] = ()) -> None:
        self.cluster = on
        self._who = who

    def past_admission(self) -> "Kube":
        """The hand of someone whom the chart's admission policies do not hold: what else holds then?"""
        return Kube(self.cluster, CONTROLLER)

    def __call__(self, *words: str | Path, text: str | None = None, timeout: float = 120) -> str:
        return self.cluster.kubectl(*words, *self._who, text=text, timeout=timeout)

    def apply(self, *manifests: Mapping[str, Any] | Path, namespace: str | None = None) -> None:
        where = ("--namespace", namespace) if namespace else ()
        for manifest in manifests:
            if isinstance(manifest, Path):
                self("apply", *where, "--filename", manifest)
        objects = [manifest for manifest in manifests if not isinstance(manifest, Path)]
        if objects:
            self("apply", *where, "--filename", "-", text=yaml.safe_dump_all(objects))

    def patch(self, kind: str, name: str, namespace: str, patch: Mapping[str, Any]) -> None:
        self("patch", kind, name, "--namespace", namespace, "--type", "merge", "--patch", json.dumps(patch))

    def delete(self, kind: str, name: str, namespace: str, *, wait_for_it: bool = True) -> None:
        self("delete", kind, name, "--namespace", namespace, "--ignore-not-found", f"--wait={str(wait_for_it).lower()}")

    def get(self, kind: str, name: str, namespace: str) -> Object:
        found: Object = json.loads(self("get", kind, name, "--namespace", namespace, "--output", "json"))
        return found

    def find(self, kind: str, name: str, namespace: str) -> Object | None:
        text = self("get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output", "json")
        return json.loads(text) if text.strip() else None

    def all_of(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        items: list[Object] = json.loads(self("get", kind, "-n", namespace, "-l", labels, "-o", "json"))["items"]
        return items

    def until(self, what: str, holds: Callable[[], object], seconds: float = PATIENCE_S) -> float:
        return wait.until(what, holds, seconds, step=0.2)

    def until_condition(
        self, kind: str, name: str, namespace: str, type_: str, status: str, reason: str | None = None
    ) -> Object:
        """Waits for a condition of the present generation; the object that bears it."""
        seen: Object = {}

        def holds() -> bool:
            seen.clear()
            seen.update(self.find(kind, name, namespace) or {"metadata": {}})
            found = condition(seen, type_)
            current = found.get("observedGeneration") == seen["metadata"].get("generation")
            return current and found.get("status") == status and reason in {None, found.get("reason")}

        try:
            self.until(f"{kind} {namespace}/{name}: {type_}={status} {reason or ''}", holds)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{json.dumps(seen.get('status'), indent=1)}") from error
        return dict(seen)

    def until_ready(self, name: str, namespace: str) -> Object:
        return self.until_condition("aiagent", name, namespace, "Ready", "True")

    def pods(self, agent: str, namespace: str) -> list[Object]:
        """Those that are not ending."""
        everything = self.all_of("pods", namespace, f"regent.dev/agent={agent}")
        return [pod for pod in everything if "deletionTimestamp" not in pod["metadata"]]

    def pod_uids(self, agent: str, namespace: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(agent, namespace)}

    def python(self, pod: str, namespace: str, program: str) -> str:
        """What a program prints that runs in a pod: no image of ours has a shell."""
        return self("exec", pod, "--namespace", namespace, "--", "python3", "-c", program)

    def statusz(self, pod: Object) -> Object:
        """What an agent's pod says of itself, asked from within."""
        program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/statusz').read().decode())"
        said: Object = json.loads(self.python(pod["metadata"]["name"], pod["metadata"]["namespace"], program))
        return said

    def record(self, kind: str, name: str, namespace: str) -> "History":
        return History(self, kind, name, namespace)


def condition(found: Object, type_: str) -> Object:
    """The condition of this type, {} when there is none."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == type_), {})


def kstatus(*objects: Object) -> list[str]:
    """What sigs.k8s.io/cli-utils makes of the objects: InProgress, Current, Failed, ..."""
    lines = command.run(build.kstatus(), text="\n".join(json.dumps(found) for found in objects))
    return [json.loads(line)["status"] for line in lines.splitlines()]


class History:
    """Every version of one object that a watch delivers, from entering to leaving."""

    def __init__(self, kube: Kube, kind: str, name: str, namespace: str) -> None:
        words = ("get", kind, "--namespace", namespace, "--field-selector", f"metadata.name={name}")
        self._words = [str(kube.cluster.kubectl_program), *words, "--watch", "--output", "json"]
        self._environment = kube.cluster.environment
        self.versions: list[Object] = []

    def __enter__(self) -> Self:
        self._watch = subprocess.Popen(
            self._words, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.terminate()
        self._watch.wait()
        self._reader.join()
        if self._watch.stdout:
            self._watch.stdout.close()

    def _read(self) -> None:
        decoder, pending = json.JSONDecoder(), ""
        for line in self._watch.stdout or ():
            pending += line
            if line.rstrip() == "}":
                self.versions.append(decoder.decode(pending))
                pending = ""

    def of(self, type_: str) -> list[tuple[str, str]]:
        """(status, reason) of a condition, version by version, repetitions left out."""
        seen: list[tuple[str, str]] = []
        for version in list(self.versions):
            found = condition(version, type_)
            entry = (found.get("status", ""), found.get("reason", ""))
            if found and (not seen or seen[-1] != entry):
                seen.append(entry)
        return seen
