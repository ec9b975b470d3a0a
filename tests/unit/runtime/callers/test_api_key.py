"""What an API key is compared with, and how. Files and rotation: contract/test_api_keys.py."""

import hmac
import secrets
from pathlib import Path

import pytest

from regent_runtime.callers.api_key import ApiKeys

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
