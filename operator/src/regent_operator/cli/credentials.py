"""Credentials as a pod sees them: DIRECTORY/SECRET/KEY, and DIRECTORY/SECRET/hosts, from manifests or the environment.

`REGENT_SECRET_<NAME>_<KEY>` (upper case, every other character an underscore) wins over a Secret manifest, so that a
real key need not be written into a file. A missing one is left out: the runtime says so, as in a pod.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from regent_api.config import AgentConfig
from regent_operator.cli.bundle import Bundle

PREFIX = "REGENT_SECRET_"
HOSTS_KEY = "hosts"


def variable(secret: str, key: str) -> str:
    """The environment variable that stands for one key of a Secret."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{secret}_{key}".upper())


def write(config: AgentConfig, bundle: Bundle, environment: Mapping[str, str], directory: Path) -> list[str]:
    """Make the directory hold exactly the keys that the config uses; gives the SECRET/KEY that nobody provides."""
    wanted = set(_pairs(config))
    missing: list[str] = []
    for secret, key in sorted(wanted):
        value = _value(secret, key, config.agent.namespace, bundle, environment)
        if value is None:
            missing.append(f"{secret}/{key}")
        else:
            _replace(directory / secret / key, value)
    for file in directory.glob("*/*"):
        if (file.parent.name, file.name) not in wanted or f"{file.parent.name}/{file.name}" in missing:
            file.unlink()
    return missing


def _pairs(config: AgentConfig) -> Iterator[tuple[str, str]]:
    for provider in config.route.providers:
        for credential in provider.credentials:
            yield credential.secret, credential.key
            yield credential.secret, HOSTS_KEY
    for grant in config.policy.callers.api_key_grants():
        yield grant.secret_key_ref.name, grant.secret_key_ref.key


def _value(secret: str, key: str, namespace: str, bundle: Bundle, environment: Mapping[str, str]) -> bytes | None:
    if (given := environment.get(variable(secret, key))) is not None:
        return given.encode()
    return bundle.secrets.get(f"{namespace}/{secret}", {}).get(key)


def _replace(file: Path, content: bytes) -> None:
    """Atomically, readable by this user alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)
    draft.replace(file)
