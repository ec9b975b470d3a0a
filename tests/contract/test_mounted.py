"""The pod's own secrets as the kubelet mounts them."""

import json
from pathlib import Path

import pytest

from regent_runtime.guard.mounted import Mounted, TooManySecrets


def mount(directory: Path, secret: str, **keys: str) -> None:
    """`SECRET/KEY` -> `..data/KEY` -> `..VERSION/KEY`."""
    folder = directory / secret
    version = folder / f"..version_{len(list(folder.iterdir())) if folder.exists() else 0}"
    version.mkdir(parents=True)
    for key, value in keys.items():
        (version / key).write_text(value)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(f"..data/{key}")
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(folder / "..data")


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert Mounted(tmp_path / "absent").values() == frozenset()


def test_each_value_is_read_and_hosts_are_none(tmp_path: Path) -> None:
    mount(tmp_path, "openai", key="sk-first-value\n", hosts="api.openai.com", short="1234567")
    assert Mounted(tmp_path).values() == {b"sk-first-value"}


def test_a_folder_beside_the_keys_is_none(tmp_path: Path) -> None:
    mount(tmp_path, "openai", key="sk-first-value")
    (tmp_path / "openai" / "folder").mkdir()
    assert Mounted(tmp_path).values() == {b"sk-first-value"}


def test_a_new_value_takes_the_place_of_the_old(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    mount(tmp_path, "openai", key="sk-first-value")
    mounted.values()
    mount(tmp_path, "openai", key="sk-second-value")
    assert mounted.values() == {b"sk-second-value"}


def test_of_a_key_file_the_opaque_runs_are_looked_for(tmp_path: Path) -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" * 8
    account = {"type": "service_account", "auth_uri": "https://accounts.google.com/o/oauth2/auth", "private_key": body}
    mount(tmp_path, "google", file=json.dumps(account, indent=1))
    values = Mounted(tmp_path).values()
    assert b"".join(sorted(values, key=body.encode().find)).decode() in body
    assert {len(value) for value in values} == {256, len(body) % 256}


def test_more_values_than_can_be_looked_for_are_an_error(tmp_path: Path) -> None:
    mount(tmp_path, "many", **{f"key-{number}": f"value-number-{number}" for number in range(1025)})
    with pytest.raises(TooManySecrets):
        Mounted(tmp_path).values()
