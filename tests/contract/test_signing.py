"""The folder of signing keys, as the chart mounts it; and that a pod takes what they seal."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from regent_api.seal import MOST_KEYS, document_digest
from regent_operator.signing import Signer, SigningKeyError
from regent_runtime.seal import Seals, Trust, trusted_keys

PKCS8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(*PKCS8, locked)


def test_a_pod_takes_what_any_of_the_keys_sealed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.pem").write_bytes(pem(Ed25519PrivateKey.generate()))
    (tmp_path / "notes.txt").write_text("no key")
    signer = Signer.read(tmp_path)
    seal = signer.seal("uid", 7, document_digest(b"{}")).model_dump_json(by_alias=True).encode()
    for trusted in ([key] for key in signer.public):
        judge = Seals(Trust("uid", trusted_keys(trusted), tmp_path / "accepted.json"))
        assert judge.check(b"{}", seal).sequence == 7


def test_a_seal_is_the_same_each_time_it_is_made() -> None:
    signer = Signer.new()
    assert signer.seal("uid", 7, document_digest(b"{}")) == signer.seal("uid", 7, document_digest(b"{}"))


def test_no_key_is_shown() -> None:
    assert "Ed25519PrivateKey" not in repr(Signer.new())


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "it holds 0"),
        ({str(n): pem(Ed25519PrivateKey.generate()) for n in range(MOST_KEYS + 1)}, "it holds 5"),
        ({"a": b"no key"}, "not an unencrypted private key"),
        ({"a": pem(Ed25519PrivateKey.generate(), b"secret")}, "not an unencrypted private key"),
        ({"a": pem(ec.generate_private_key(ec.SECP256R1()))}, "openssl genpkey -algorithm ed25519"),
    ],
    ids=["none", "too many", "no PEM", "encrypted", "another kind"],
)
def test_what_cannot_seal_is_named(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    for name, content in files.items():
        (tmp_path / f"{name}.pem").write_bytes(content)
    with pytest.raises(SigningKeyError, match=words) as error:
        Signer.read(tmp_path)
    assert "BEGIN" not in str(error.value)


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="it holds 0"):
        Signer.read(tmp_path / "away")
