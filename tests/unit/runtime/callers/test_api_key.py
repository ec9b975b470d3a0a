"""What an API key is compared with, and how. Files and rotation: contract/test_api_keys.py."""

import hmac
import secrets
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.access.membership import subject
from regent_runtime.callers import Callers
from regent_runtime.callers.api_key import ApiKeys
from regent_runtime.credentials import Credentials
from tests.enforces import enforces
from tests.fakes import configs

FILES = [("one", "key"), ("two", "key")]


@pytest.mark.parametrize("asked", ["first", "last", "none"])
def test_a_value_is_compared_with_every_digest_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """So that how long it takes tells neither whether a key is known nor which."""
    values = [secrets.token_hex(32) for _ in range(4)]
    for (secret, key), lines in zip(FILES, (values[:2], values[2:]), strict=True):
        (tmp_path / secret).mkdir()
        (tmp_path / secret / key).write_text("\n".join(lines))
    keys = ApiKeys(lambda secret, key: tmp_path / secret / key, FILES)
    compared: list[tuple[bytes, bytes]] = []

    def counted(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return hmac_compare(left, right)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counted)
    value, held = {
        "first": (values[0], {FILES[0]}),
        "last": (values[-1], {FILES[1]}),
        "none": (secrets.token_hex(32), set()),
    }[asked]
    assert keys.holding(value) == held
    assert len({right for _, right in compared}) == len(values)
    assert len({left for left, _ in compared}) == 1
    assert not any(each.encode() in pair for each in values for pair in compared), "digests, no values"


@enforces("callers.apiKeys.secretKeyRef", "approvals.approvers.subjects")
def test_a_key_of_one_policy_names_no_approver_of_another(tmp_path: Path) -> None:
    """Whoever may write a policy and Secrets of a namespace can give any name to a value of his own."""

    def grant(secret: str) -> list[dict[str, Any]]:
        return [{"name": "lead", "secretKeyRef": {"name": secret, "key": "key"}}]

    values = {secret: secrets.token_hex(32) for secret in ("floors", "added")}
    for secret, value in values.items():
        (tmp_path / secret).mkdir()
        (tmp_path / secret / "key").write_text(value)

    def named(*lists: list[dict[str, Any]], value: str) -> str | None:
        config = configs.config(policy={"callers": {"apiKeys": list(lists)}})
        return subject(Callers(config, Credentials(tmp_path)).identify(f"Bearer {value}"))

    assert named(grant("floors"), value=values["floors"]) == "apikey:lead"
    assert named(grant("floors"), grant("added"), value=values["added"]) is None
    assert named(grant("floors"), grant("added"), value=values["floors"]) is None
