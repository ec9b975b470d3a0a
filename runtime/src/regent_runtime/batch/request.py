"""Reading the body of POST /v1/batch: a closed table, and each request's own bytes as they came."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from regent_runtime.refusals import INVALID_JSON, INVALID_VALUE, MISSING_FIELD, UNKNOWN_FIELD, Refusal, Refused
from regent_runtime.wire.duplicates import refuse_duplicates

MOST_REQUESTS = 32


@dataclass(frozen=True)
class Part:
    """One request. `body`: of a Chat Completions request, byte for byte; not looked at yet."""

    custom_id: str
    body: bytes


class _Part(Struct, forbid_unknown_fields=True):
    """A line of a file of OpenAI's batches."""

    custom_id: Annotated[str, Meta(min_length=1, max_length=64)]
    body: msgspec.Raw
    method: Literal["POST"] = "POST"
    url: Literal["/v1/chat/completions"] = "/v1/chat/completions"


class _Batch(Struct, forbid_unknown_fields=True):
    requests: Annotated[list[_Part], Meta(min_length=1, max_length=MOST_REQUESTS)]


_BODY = msgspec.json.Decoder(_Batch)


def parts(body: bytes) -> Sequence[Part]:
    """Raises Refused (400), naming the field."""
    try:
        batch = _BODY.decode(body)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        param = path.rstrip("`").removeprefix(".") or None
        raise Refused(_class_of(words), f"{words[:200]}{f' in `{param}`' if param else ''}.", param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(INVALID_JSON, "The body must be valid JSON in UTF-8 and not nest deeply.") from None
    refuse_duplicates(body)
    made = [Part(each.custom_id, bytes(each.body)) for each in batch.requests]
    if len({part.custom_id for part in made}) < len(made):
        raise Refused(INVALID_VALUE, "Give each request a `custom_id` of its own.", param="requests")
    return made


def _class_of(words: str) -> Refusal:
    if words.startswith("Object contains unknown field"):
        return UNKNOWN_FIELD
    return MISSING_FIELD if words.startswith("Object missing required field") else INVALID_VALUE
