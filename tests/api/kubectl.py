"""kubectl as a person or a GitOps tool uses it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, CommandError, command

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """`cache` is kubectl's own folder for discovery: shared with other clusters at this address it would be stale."""

    cluster: Cluster
    namespace: str | None
    """None: the manifests say it."""
    cache: Path

    def __call__(self, *words: str, text: str | None = None) -> str:
        """Standard output. Raises CommandError."""
        environment = {**self.cluster.environment, "KUBECACHEDIR": str(self.cache), "PATH": os.environ["PATH"]}
        program = self.cluster.kubectl_program
        within = ("--namespace", self.namespace) if self.namespace else ()
        return command.run(program, *words, *within, text=text, env=environment)

    def apply(self, *manifests: Manifest, flags: tuple[str, ...] = ()) -> str:
        return self("apply", *flags, "--filename", "-", text=documents(*manifests))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", kind, name, "--output", "json"))
        return found

    def refused(self, *words: str, text: str | None = None) -> str:
        """What kubectl says when the command fails; fails the test when it does not."""
        with pytest.raises(CommandError) as refusal:
            self(*words, text=text)
        return refusal.value.stderr

    def differs(self, text: str, *flags: str) -> str:
        """What `kubectl diff` shows; fails the test when it ends with anything but 1, its code for a difference."""
        with pytest.raises(CommandError) as difference:
            self("diff", *flags, "--filename", "-", text=text)
        assert difference.value.code == 1
        return difference.value.stdout


def may(cluster: Cluster, user: str, *words: str) -> bool:
    """`kubectl auth can-i`."""
    try:
        return cluster.kubectl("auth", "can-i", *words, "--as", user).strip() == "yes"
    except CommandError as error:
        if error.stdout.strip() == "no":
            return False
        raise


def documents(*manifests: Manifest) -> str:
    """One after another, not as a List: kubectl validates what is in a List by itself, and the server the rest."""
    return "\n".join(json.dumps(manifest) for manifest in manifests)
