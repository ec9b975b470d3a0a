"""Authorization headers: whatever they hold, the caller is known or refused."""

import base64
import json
from contextlib import suppress
from pathlib import Path

from regent_runtime.callers import Callers
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import Refused
from tests.fakes import configs
from tests.fuzz.target import Target

_NOWHERE = Credentials(Path("/nonexistent"))
_CALLERS = Callers(configs.config(configs.provider_config("local", "http://127.0.0.1:1/v1")), _NOWHERE)


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def feed(data: bytes) -> None:
    with suppress(Refused):
        _CALLERS.identify(data.decode("latin-1"))


_GOOD = f"Bearer {configs.token()}".encode()
_HEADER = part({"alg": "RS256", "kid": "test", "typ": "JWT"})
_CLAIMS = part({"iss": configs.ISSUER, "aud": "regent.dev/demo/helper", "sub": [], "iat": {}, "exp": 1e400})
TARGET = Target(
    feed,
    seeds=(
        _GOOD,
        b"Bearer " + b".".join((_HEADER, _CLAIMS, b"c2ln")),
        b"Bearer " + b".".join((part({"alg": "none"}), _CLAIMS, b"")),
        b"Bearer " + b".".join((part({"alg": "HS256", "kid": ["test"]}), _CLAIMS, b"c2ln")),
        b"Bearer " + part("[" * 500) + b"..",
        b"Basic dXNlcjpwYXNz",
    ),
    words=(b".", b"..", b"Bearer ", _HEADER, _CLAIMS, part([]), part(None), part({"alg": "none"}), part({"kid": 1})),
    longest=20_000,
)
