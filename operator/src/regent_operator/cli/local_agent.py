"""One agent that runs on this machine: its files, its process, and the proof that it holds what was planned."""

import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from regent_api.config import CONFIG_KEY, AgentConfig
from regent_api.seal import SEAL_KEY, document_digest
from regent_operator.cli import credentials
from regent_operator.cli.bundle import Bundle
from regent_operator.cli.process import DRAIN_SECONDS, LOOPBACK, POLL_SECONDS, Child, ChildError, free_port, probe
from regent_operator.plan.document import document
from regent_operator.signing import Signer

START_SECONDS = 60.0
SWAP_SECONDS = 30.0


class RefusedConfigError(Exception):
    """The running agent refuses its new config and keeps the old one; the text is the runtime's."""


class LocalAgent:
    """`python -I -m regent_runtime` on loopback, with its config and credentials in files of its own."""

    def __init__(self, key: str, directory: Path, port: int, signer: Signer, log: Path | None = None) -> None:
        self.key = key
        self.port = port
        self._directory = directory
        self._signer = signer
        self._sequence = 0
        self._log = log
        self._status_port = free_port()
        self._digest: str | None = None
        self._child: Child | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def write(self, config: AgentConfig, bundle: Bundle, environment: Mapping[str, str]) -> list[str]:
        """Put config and credentials where the runtime reads them; gives the SECRET/KEY that nobody provides."""
        missing = credentials.write(config, bundle, environment, self._directory / "credentials")
        self._write_sealed(document(config).text.encode())
        self._digest = config.digests().config
        return missing

    def _write_sealed(self, document: bytes) -> None:
        """Both files in one step, as the kubelet does it: a folder of their own, and the link to it swapped."""
        self._sequence += 1
        seal = self._signer.seal(_uid(self.key), self._sequence, document_digest(document))
        folder = self._directory / f"config-{self._sequence}"
        folder.mkdir(mode=0o700, parents=True)
        (folder / CONFIG_KEY).write_bytes(document)
        (folder / SEAL_KEY).write_text(json.dumps(seal.wire()), encoding="utf-8")
        link, draft = self._directory / "config", self._directory / "config.draft"
        before = link.readlink() if link.is_symlink() else None
        draft.symlink_to(folder.name)
        draft.replace(link)
        if before is not None:
            shutil.rmtree(self._directory / before)

    def start(self) -> None:
        """Returns when the agent is ready and echoes the digest of its config. Raises ChildError."""
        config, secrets = self._directory / "config" / CONFIG_KEY, self._directory / "credentials"
        state = self._directory / "state"
        for folder in (secrets, state):
            folder.mkdir(mode=0o700, exist_ok=True)
        command = [sys.executable, "-I", "-m", "regent_runtime", "--host", LOOPBACK, "--port", str(self.port)]
        command += ["--status-port", str(self._status_port), "--config", str(config), "--credentials", str(secrets)]
        command += ["--audit", str(self._directory / "audit")]
        command += ["--state", str(state), "--agent-uid", _uid(self.key), "--drain-timeout", str(DRAIN_SECONDS)]
        command += [word for key in self._signer.public for word in ("--config-key", key)]
        self._child = Child(f"agent {self.key}", command, env=self._environment(), log=self._log)
        self._child.wait_for(self._status_port, "/readyz", START_SECONDS)
        self.wait_for_echo(START_SECONDS)

    def _environment(self) -> dict[str, str]:
        """That of this command, less the secrets: the runtime has them as files and nowhere else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(credentials.PREFIX)}
        return {**kept, "POD_NAME": self.key.rpartition("/")[2], "POD_UID": f"dev-{os.getpid()}"}

    def wait_for_echo(self, deadline: float = SWAP_SECONDS) -> None:
        """Until /statusz echoes the digest of what was written. Raises RefusedConfigError and ChildError."""
        end = time.monotonic() + deadline
        while True:
            self.check()
            _, status = probe(self._status_port, "/statusz")
            if status and (status.get("digests") or {}).get("config") == self._digest:
                return
            if time.monotonic() > end:
                raise _not_echoed(self.key, status, deadline)
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raises ChildError when the process has ended."""
        if self._child:
            self._child.check()

    def stop(self) -> None:
        if self._child:
            self._child.stop()


def _uid(key: str) -> str:
    """What the API server would give the agent; on this machine there is no other of the name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://regent.dev/dev/{key}"))


def _not_echoed(key: str, status: Mapping[str, object] | None, deadline: float) -> Exception:
    if status and status.get("configError"):
        return RefusedConfigError(f"agent {key} keeps its old config: {status['configError']}")
    return ChildError(f"agent {key} did not take over its config within {deadline:.0f} s")
