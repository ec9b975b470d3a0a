"""The gateways that `make bench-route` compares with, installed outside the repository, for development only.

Both are started in the benchmark's own network namespace, where only loopback is: neither can phone home.
"""

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import cache, command

LITELLM = "1.108.7"
PORTKEY = "1.15.2"
PORTKEYS_SERVER = "1.13.8"
"""Of `@hono/node-server`: with 1.19, the newest that it would take, Portkey answers each stream with a 500."""
_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_INSTALL_S = 900


@dataclass(frozen=True)
class Baseline:
    """How a gateway is started, and what a request to it needs beside its body."""

    name: str
    version: str
    command: list[str]
    environment: dict[str, str]
    path: str
    """Of the API, below its port."""
    headers: dict[str, str]
    ready: str
    """A path that answers 200 once it serves."""


def litellm(port: int, upstream: str, scratch: Path) -> Baseline:
    """LiteLLM's proxy, one worker, no database; it does not start without a key of its own."""
    program = cache.entry("litellm", cache.fingerprint(LITELLM), _install_litellm) / "venv" / "bin" / "litellm"
    served = {"model": "openai/bench", "api_base": upstream, "api_key": "none"}
    config = scratch / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [{"model_name": "bench", "litellm_params": served}]}))
    flags = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    key = f"sk-{secrets.token_hex(32)}"
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": key}
    command_line = [str(program), *flags, "--telemetry", "False"]
    headers = {"Authorization": f"Bearer {key}"}
    return Baseline("litellm", LITELLM, command_line, environment, "/v1", headers, "/health/liveliness")


def portkey(port: int, upstream: str) -> Baseline:
    """Portkey's gateway on Node.js."""
    folder = cache.entry("portkey", cache.fingerprint(PORTKEY, PORTKEYS_SERVER), _install_portkey)
    program = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream, "authorization": "Bearer none"}
    environment = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    command_line = ["node", str(program), f"--port={port}", "--headless"]
    return Baseline("portkey", PORTKEY, command_line, environment, "/v1", headers, "/")


def install() -> None:
    """Both, where the network still is."""
    node = () if shutil.which("node") and shutil.which("npm") else ("nodejs", "npm")
    command.run(_ROOT / "tests" / "cluster" / "apt.sh", "iproute2", *node, timeout=_LONGEST_INSTALL_S)
    cache.entry("litellm", cache.fingerprint(LITELLM), _install_litellm)
    cache.entry("portkey", cache.fingerprint(PORTKEY, PORTKEYS_SERVER), _install_portkey)


def _install_litellm(folder: Path) -> None:
    _run(_ROOT / "tools" / "bootstrap", "uv", "venv", "--quiet", "--relocatable", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    _run(
        _ROOT / "tools" / "bootstrap",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        f"litellm[proxy]=={LITELLM}",
    )


def _install_portkey(folder: Path) -> None:
    wanted = {"dependencies": {"@portkey-ai/gateway": PORTKEY}, "overrides": {"@hono/node-server": PORTKEYS_SERVER}}
    (folder / "package.json").write_text(json.dumps(wanted))
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder)


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, timeout=_LONGEST_INSTALL_S, cwd=_ROOT)


if __name__ == "__main__":
    install()
