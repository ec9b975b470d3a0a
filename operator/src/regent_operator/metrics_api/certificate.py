"""The certificate that this process serves with: its own, self-signed, and never on a disk.

The API server trusts it because it stands in the APIService's `caBundle`, where this process puts it
(`registration.py`). So there is no Secret to make, to mount or to rotate, and a key lives no longer than its process.
"""

import os
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=2)
RENEW_BEFORE = timedelta(days=1)
SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Certificate:
    pem: str
    key: bytes
    """PKCS 8 in PEM."""
    expires: datetime

    def is_due(self, now: datetime) -> bool:
        """Whether it should be replaced."""
        return now >= self.expires - RENEW_BEFORE

    def load(self, context: ssl.SSLContext) -> None:
        """OpenSSL reads files only: the key passes through memory that has a name for as long as this takes."""
        memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(memory), "wb") as file:
                file.write(self.pem.encode() + self.key)
            context.load_cert_chain(f"/proc/self/fd/{memory}")
        finally:
            os.close(memory)


def make(host: str, pod: str, now: datetime) -> Certificate:
    """For a server of this DNS name, and for no other use. Its subject names the pod too: one follows another there."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = {NameOID.COMMON_NAME: host, NameOID.ORGANIZATIONAL_UNIT_NAME: pod}
    name = x509.Name([x509.NameAttribute(kind, text[:64]) for kind, text in names.items()])
    expires = now + LIFETIME
    usage = {
        "digital_signature": True,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        pem=made.public_bytes(serialization.Encoding.PEM).decode(),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        expires=expires,
    )
