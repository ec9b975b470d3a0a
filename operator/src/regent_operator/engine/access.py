"""How to reach the API server: the pod's own ServiceAccount, or a kubeconfig (tests, development).

Tokens are read again from their file each minute: the kubelet rotates them in place.
"""

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60.0


class NoAccessError(RuntimeError):
    """There is neither a kubeconfig nor a ServiceAccount; the message says what was looked for."""


@dataclass
class TokenFile:
    """The token in a file, at most a minute old."""

    path: Path
    clock: Callable[[], float] = time.monotonic
    _token: str = ""
    _read_at: float = float("-inf")

    def read(self) -> str:
        if self.clock() - self._read_at > TOKEN_SECONDS:
            self._token = self.path.read_text().strip()
            self._read_at = self.clock()
        return self._token

    def expire(self) -> None:
        """The server refused the token: read the file at the next use."""
        self._read_at = float("-inf")


@dataclass(frozen=True)
class FixedToken:
    token: str

    def read(self) -> str:
        return self.token

    def expire(self) -> None:
        """A token that was given by value has no newer one."""


@dataclass(frozen=True)
class ClusterAccess:
    """`ca`, `certificate` and `key` are PEM; certificate and key None: the token alone speaks for us."""

    server: str
    ca: str | None = None
    token: TokenFile | FixedToken | None = None
    certificate: str | None = None
    key: str | None = None

    def tls(self) -> ssl.SSLContext | bool:
        """For aiohttp's `ssl` argument. The client's key touches the disk for the moment of loading only."""
        if not self.server.startswith("https://"):
            return True
        context = ssl.create_default_context(cadata=self.ca)
        if self.certificate and self.key:
            with tempfile.NamedTemporaryFile("w") as pem:
                pem.write(f"{self.certificate}\n{self.key}\n")
                pem.flush()
                context.load_cert_chain(pem.name)
        return context


def find_access(kubeconfig: str | None = None, context: str | None = None) -> ClusterAccess:
    """The kubeconfig that is named, else the pod's ServiceAccount, else $KUBECONFIG or ~/.kube/config.

    Raises NoAccessError.
    """
    if kubeconfig:
        return from_kubeconfig(Path(kubeconfig), context)
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (IN_CLUSTER / "token").exists():
        return in_cluster()
    path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if path.exists():
        return from_kubeconfig(path, context)
    raise NoAccessError(f"no ServiceAccount in {IN_CLUSTER} and no kubeconfig at {path}; pass --kubeconfig")


def in_cluster() -> ClusterAccess:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if ":" in host:
        host = f"[{host}]"
    return ClusterAccess(
        server=f"https://{host}:{port}",
        ca=(IN_CLUSTER / "ca.crt").read_text(),
        token=TokenFile(IN_CLUSTER / "token"),
    )


def from_kubeconfig(path: Path, context: str | None = None) -> ClusterAccess:
    """Client certificates and tokens, by value or by file. Exec and auth-provider plug-ins are not run."""
    document = yaml.safe_load(path.read_text())
    chosen = _named(document, "contexts", context or document.get("current-context", ""), path)["context"]
    cluster = _named(document, "clusters", chosen["cluster"], path)["cluster"]
    user = _named(document, "users", chosen["user"], path)["user"]
    token: TokenFile | FixedToken | None = None
    if "tokenFile" in user:
        token = TokenFile(path.parent / user["tokenFile"])
    elif "token" in user:
        token = FixedToken(user["token"])
    return ClusterAccess(
        server=cluster["server"].rstrip("/"),
        ca=_pem(cluster, "certificate-authority", path),
        token=token,
        certificate=_pem(user, "client-certificate", path),
        key=_pem(user, "client-key", path),
    )


def _named(document: dict[str, Any], section: str, name: str, path: Path) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry["name"] == name:
            return dict(entry)
    raise NoAccessError(f"{path} has no entry {name!r} under {section}")


def _pem(entry: dict[str, Any], field: str, path: Path) -> str | None:
    if f"{field}-data" in entry:
        return base64.b64decode(entry[f"{field}-data"]).decode()
    if field in entry:
        return (path.parent / str(entry[field])).read_text()
    return None
