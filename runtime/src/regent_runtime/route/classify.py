"""What a provider's refusal or error means: by the words of its error object first, by the status second.

The words are OpenAI's, Anthropic's, Azure's and llama.cpp's, from their public references. The body is looked at and
forgotten: nothing of it enters a message, a log or a record.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from regent_runtime.route.failure import Failure

_DETAILS = ("innererror", "inner_error")


def failure_of_reply(status: int, body: bytes) -> Failure:
    """The row of a reply whose status is not 200."""
    if 300 <= status < 400:
        return Failure.REDIRECTED
    error = _error(body)
    for word in _words(error):
        if word in _OF_WORD:
            return _OF_WORD[word]
    if status == 400 and str(error.get("message")).startswith(_UNPAID_TEXT):
        return Failure.QUOTA_EXHAUSTED
    if status in _TOO_LONG_STATUSES and any(text in body for text in _TOO_LONG_TEXTS):
        return Failure.CONTEXT_WINDOW
    return _of_status(status)


def _of_status(status: int) -> Failure:
    return _OF_STATUS.get(status, Failure.SERVER_ERROR if status >= 500 else Failure.REJECTED)


def failure_of_code(code: str, status: int | None = None) -> Failure:
    """The row of an error that stands where an answer was due, by the provider's word for it, else by the status."""
    known = _OF_WORD.get(code) or _OF_LOOSE_WORD.get(code)
    if known is not None:
        return known
    return Failure.SERVER_ERROR if status is None else _of_status(status)


def _error(body: bytes) -> Mapping[str, Any]:
    """The error object; empty where there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    error = document.get("error", document) if isinstance(document, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _words(error: Mapping[str, Any]) -> Iterator[str]:
    """The most telling first."""
    inner: list[Any] = [error.get(name) for name in _DETAILS]
    for part in (*inner, error):
        if isinstance(part, Mapping):
            yield from (word for name in ("code", "type") if isinstance(word := part.get(name), str))


_OF_WORD = {
    "context_length_exceeded": Failure.CONTEXT_WINDOW,
    "exceed_context_size_error": Failure.CONTEXT_WINDOW,
    "request_too_large": Failure.CONTEXT_WINDOW,
    "insufficient_quota": Failure.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": Failure.QUOTA_EXHAUSTED,
    "billing_not_active": Failure.QUOTA_EXHAUSTED,
    "billing_error": Failure.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "rate_limit_error": Failure.RATE_LIMITED,
    "RateLimitReached": Failure.RATE_LIMITED,
    "overloaded_error": Failure.OVERLOADED,
    "content_filter": Failure.CONTENT_FILTER,
    "content_policy_violation": Failure.CONTENT_FILTER,
    "invalid_prompt": Failure.CONTENT_FILTER,
    "bio_policy": Failure.CONTENT_FILTER,
    "cyber_policy": Failure.CONTENT_FILTER,
    "image_content_policy_violation": Failure.CONTENT_FILTER,
    "misalignment_policy_violation": Failure.CONTENT_FILTER,
    "ResponsibleAIPolicyViolation": Failure.CONTENT_FILTER,
    "invalid_api_key": Failure.UNAUTHENTICATED,
    "authentication_error": Failure.UNAUTHENTICATED,
    "permission_error": Failure.UNAUTHENTICATED,
    "model_not_found": Failure.NOT_FOUND,
    "not_found_error": Failure.NOT_FOUND,
    "DeploymentNotFound": Failure.NOT_FOUND,
    "timeout_error": Failure.SERVER_ERROR,
    "unavailable_error": Failure.SERVER_ERROR,
    **dict.fromkeys(
        (
            "empty_image_file",
            "failed_to_download_image",
            "image_file_not_found",
            "image_file_too_large",
            "image_parse_error",
            "image_too_large",
            "image_too_small",
            "invalid_base64_image",
            "invalid_image",
            "invalid_image_format",
            "invalid_image_mode",
            "invalid_image_url",
            "unsupported_image_media_type",
        ),
        Failure.REJECTED,
    ),
}
_OF_LOOSE_WORD = {
    "invalid_request_error": Failure.REJECTED,
    "not_supported_error": Failure.REJECTED,
    "tokens": Failure.RATE_LIMITED,
    "requests": Failure.RATE_LIMITED,
}
"""They say less than a status does; OpenAI's `invalid_request_error` comes with a 401 too."""
_UNPAID_TEXT = "Your credit balance is too low"
"""Anthropic's sentence for an empty account, which comes as `invalid_request_error`. A message must begin with it: what
one repeats may be a caller's words, and a key without quota is left alone for all.
"""
_TOO_LONG_STATUSES = {400, 413, 422}
_TOO_LONG_TEXTS = (
    b"context_length_exceeded",
    b"exceed_context_size",
    b"maximum context length",
    b"context size",
    b"prompt is too long",
    b"exceed context limit",
)
"""vLLM and Anthropic have no word for it, only a sentence."""
_OF_STATUS = {
    401: Failure.UNAUTHENTICATED,
    402: Failure.QUOTA_EXHAUSTED,
    403: Failure.UNAUTHENTICATED,
    404: Failure.NOT_FOUND,
    408: Failure.SERVER_ERROR,
    409: Failure.SERVER_ERROR,
    429: Failure.RATE_LIMITED,
    529: Failure.OVERLOADED,
}
