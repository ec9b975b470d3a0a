"""A question as it is kept beside its answer, for those who ask the same in other words."""

from typing import TYPE_CHECKING

import msgspec

from regent_runtime.cache.embedder import DIMENSIONS, MODEL_SHA256

if TYPE_CHECKING:
    from regent_runtime.cache.embedder import Vector

_FORM = f"1 {MODEL_SHA256[:16]}"
_COORDINATE = "<f2"


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """`place`: the digest of where its answer is kept; `owner`: whose it is."""

    text: str
    place: bytes
    owner: str
    coordinates: bytes
    """Of its vector, 16 bits each."""
    form: str = _FORM
    """In which version, and whose vector: those of two embedders cannot be compared."""

    @property
    def vector(self) -> "Vector":
        import numpy as np  # noqa: PLC0415 - of the extra

        return np.frombuffer(self.coordinates, _COORDINATE).astype(np.float32)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Asked)


def asked(text: str, place: bytes, owner: str, vector: "Vector") -> Asked:
    return Asked(text, place, owner, vector.astype(_COORDINATE).tobytes())


def written(kept: Asked) -> bytes:
    return _ENCODER.encode(kept)


def read(content: bytes) -> Asked | None:
    """None for what another version wrote."""
    try:
        found = _DECODER.decode(content)
    except msgspec.DecodeError:
        return None
    return found if found.form == _FORM and len(found.coordinates) == 2 * DIMENSIONS else None
