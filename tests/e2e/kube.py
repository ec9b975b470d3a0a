"""What the e2e tests ask of a cluster: objects as dicts, conditions, waiting, and the history of an object's status."""

import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from tests import cluster
from tests.cluster import build, command, wait

PATIENCE_S = 180
Object = dict[str, Any]


CONTROLLER = ("--as", "system:serviceaccount:kube-system:by-hand", "--as-group", "system:masters")


class Kube:
    """`who`: kubectl's words for whom to act as; none: the cluster's admin. Objects are read as the admin."""

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
        """Raises KeyError when it is not there."""
        found = self.find(kind, name, namespace)
        if found is None:
            raise KeyError(f"{kind} {namespace}/{name}")
        return found

    def find(self, kind: str, name: str, namespace: str) -> Object | None:
        return self.cluster.reader.find(kind, name, namespace)

    def all_of(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        return self.cluster.reader.all(kind, namespace, labels)

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

    def until_current(self, kind: str, name: str, namespace: str) -> None:
        """Waits until kstatus finds nothing that is left to do."""
        self.until("nothing is left to do", lambda: kstatus(self.get(kind, name, namespace)) == ["Current"])

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

    def series(self, pod: Object, name: str) -> dict[str, float]:
        """Series of an agent's pod that begin with a name, asked from within."""
        program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
        lines = self.python(pod["metadata"]["name"], pod["metadata"]["namespace"], program).splitlines()
        told = (line.rpartition(" ") for line in lines if line.startswith(name))
        return {series: float(value) for series, _, value in told}

    def record(self, kind: str, name: str, namespace: str) -> "History":
        return History(self, kind, name, namespace)

    def record_all(self, kind: str, namespace: str) -> "History":
        """Of all that are there, and all that come."""
        return History(self, kind, "", namespace)


def condition(found: Object, type_: str) -> Object:
    """The condition of this type, {} when there is none."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == type_), {})


def kstatus(*objects: Object) -> list[str]:
    """What sigs.k8s.io/cli-utils makes of the objects: InProgress, Current, Failed, ..."""
    lines = command.run(build.kstatus(), text="\n".join(json.dumps(found) for found in objects))
    return [json.loads(line)["status"] for line in lines.splitlines()]


def told(versions: Iterable[Object], type_: str) -> list[tuple[str, str]]:
    """(status, reason) of a condition, version by version, repetitions left out."""
    found = (condition(version, type_) for version in versions)
    entries = ((each.get("status", ""), each.get("reason", "")) for each in found if each)
    return [entry for entry, _ in itertools.groupby(entries)]


def phases(versions: Iterable[Object]) -> list[str]:
    """What kstatus makes of it, version by version, repetitions left out."""
    return [phase for phase, _ in itertools.groupby(kstatus(*versions))]


class History:
    """Every version that a watch delivers, from entering to leaving: of one object, or of all of a kind."""

    def __init__(self, kube: Kube, kind: str, name: str, namespace: str) -> None:
        self._kube, self._object = kube, (kind, name, "--namespace", namespace) if name else ()
        one = ("--field-selector", f"metadata.name={name}") if name else ()
        words = ("get", kind, "--namespace", namespace, *one, "--watch", "--output", "json")
        self._words = [str(kube.cluster.kubectl_program), *words]
        self._environment = kube.cluster.environment
        self.versions: list[Object] = []

    def __enter__(self) -> Self:
        self._watch = subprocess.Popen(
            self._words, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._object and not failed:
            self._catch_up()
        self._watch.terminate()
        self._watch.wait()
        self._reader.join()
        if self._watch.stdout:
            self._watch.stdout.close()

    def _catch_up(self) -> None:
        """A watch comes behind what a question shows: wait for the object as it is now, unless the watch has ended."""
        version = ("--ignore-not-found", "--output", "jsonpath={.metadata.resourceVersion}")
        newest = int(self._kube("get", *self._object, *version) or 0)

        def come() -> bool:
            seen = [int(each["metadata"]["resourceVersion"]) for each in list(self.versions)]
            return max(seen, default=0) >= newest or self._watch.poll() is not None

        self._kube.until("the watch has shown the newest version", come)

    def _read(self) -> None:
        decoder, pending = json.JSONDecoder(), ""
        for line in self._watch.stdout or ():
            pending += line
            if line.rstrip() == "}":
                self.versions.append(decoder.decode(pending))
                pending = ""

    def about(self, uid: str) -> list[Object]:
        """The versions of this object alone."""
        return [version for version in list(self.versions) if version["metadata"]["uid"] == uid]

    def of(self, type_: str) -> list[tuple[str, str]]:
        return told(list(self.versions), type_)

    def phases(self) -> list[str]:
        return phases(list(self.versions))


@contextmanager
def recorded(kube: Kube, where: str) -> Iterator[History]:
    """What the agent `helper` tells, from rest to rest."""
    kube.until_current("aiagent", "helper", where)
    with kube.record("aiagent", "helper", where) as history:
        kube.until("the status before is known", lambda: history.of("Ready") == [("True", "Ready")])
        yield history
        kube.until_current("aiagent", "helper", where)
        latest = kube.get("aiagent", "helper", where)["metadata"]["resourceVersion"]
        kube.until(
            "the watch has told the end",
            lambda: latest in [each["metadata"]["resourceVersion"] for each in history.versions],
        )


@contextmanager
def standing_still(kube: Kube, where: str) -> Iterator[None]:
    """Nothing that happens meanwhile changes what is in force in the pods of the agent `helper`, nor what it tells."""
    with recorded(kube, where) as history:
        yield
    assert history.of("Ready") == [("True", "Ready")]
    assert history.of("PolicyEnforced") == [("True", "Enforced")]
    assert history.phases() == ["Current"]
