import json
from typing import Any

import pytest

from regent_runtime.route.classify import failure_of_code, failure_of_reply
from regent_runtime.route.failure import Failure


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (301, Failure.REDIRECTED),
        (400, Failure.REJECTED),
        (401, Failure.UNAUTHENTICATED),
        (402, Failure.QUOTA_EXHAUSTED),
        (403, Failure.UNAUTHENTICATED),
        (404, Failure.NOT_FOUND),
        (408, Failure.SERVER_ERROR),
        (418, Failure.REJECTED),
        (429, Failure.RATE_LIMITED),
        (500, Failure.SERVER_ERROR),
        (529, Failure.OVERLOADED),
        (599, Failure.SERVER_ERROR),
    ],
)
@pytest.mark.parametrize("body", [b"", b"oops", b"[]", b'{"error": "text"}', b'{"error": {"code": 7}}', b"[" * 9999])
def test_the_status_alone(status: int, body: bytes, failure: Failure) -> None:
    assert failure_of_reply(status, body) is failure


OPENAI_KEY = {"error": {"type": "invalid_request_error", "code": "invalid_api_key", "message": "Incorrect API key"}}
AZURE_FILTER = {
    "error": {"code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}
}
AZURE_INNER = {"error": {"code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
ANTHROPIC_LONG = {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}
UNPAID = "Your credit balance is too low to access the Anthropic API."
ANTHROPIC_UNPAID = {"error": {"type": "invalid_request_error", "message": UNPAID}}
ECHOED = {"error": {"type": "invalid_request_error", "message": f"Invalid value: '{UNPAID}'", "param": UNPAID}}
VLLM_LONG = {"object": "error", "message": "This model's maximum context length is 8", "type": "BadRequestError"}
LLAMA_LONG = {"error": {"code": 400, "type": "exceed_context_size_error", "n_ctx": 512}}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"error": {"code": "context_length_exceeded"}}, Failure.CONTEXT_WINDOW),
        (400, ANTHROPIC_LONG, Failure.CONTEXT_WINDOW),
        (400, ANTHROPIC_UNPAID, Failure.QUOTA_EXHAUSTED),
        (400, ECHOED, Failure.REJECTED),
        (400, VLLM_LONG, Failure.CONTEXT_WINDOW),
        (400, LLAMA_LONG, Failure.CONTEXT_WINDOW),
        (413, {"type": "error", "error": {"type": "request_too_large"}}, Failure.CONTEXT_WINDOW),
        (429, {"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}, Failure.QUOTA_EXHAUSTED),
        (429, {"error": {"type": "tokens", "code": "rate_limit_exceeded"}}, Failure.RATE_LIMITED),
        (400, {"error": {"type": "billing_error"}}, Failure.QUOTA_EXHAUSTED),
        (401, OPENAI_KEY, Failure.UNAUTHENTICATED),
        (401, {"error": {"type": "invalid_request_error", "code": None}}, Failure.UNAUTHENTICATED),
        (500, {"type": "error", "error": {"type": "overloaded_error"}}, Failure.OVERLOADED),
        (503, {"error": {"code": 503, "type": "unavailable_error"}}, Failure.SERVER_ERROR),
        (404, {"error": {"code": "DeploymentNotFound"}}, Failure.NOT_FOUND),
        (400, {"error": {"code": "content_policy_violation"}}, Failure.CONTENT_FILTER),
        (400, AZURE_FILTER, Failure.CONTENT_FILTER),
        (400, AZURE_INNER, Failure.CONTENT_FILTER),
        (307, {"error": {"code": "content_filter"}}, Failure.REDIRECTED),
    ],
)
def test_the_providers_word_comes_before_the_status(status: int, body: Any, failure: Failure) -> None:
    assert failure_of_reply(status, json.dumps(body).encode()) is failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("", Failure.SERVER_ERROR),
        ("cyber_policy", Failure.CONTENT_FILTER),
        ("image_content_policy_violation", Failure.CONTENT_FILTER),
        ("image_parse_error", Failure.REJECTED),
        ("server_error", Failure.SERVER_ERROR),
        ("overloaded_error", Failure.OVERLOADED),
        ("invalid_request_error", Failure.REJECTED),
        ("insufficient_quota", Failure.QUOTA_EXHAUSTED),
        ("content_filter", Failure.CONTENT_FILTER),
    ],
)
def test_an_error_where_an_answer_was_due(code: str, failure: Failure) -> None:
    assert failure_of_code(code) is failure


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        ("BadRequestError", 400, Failure.REJECTED),
        ("", 402, Failure.QUOTA_EXHAUSTED),
        ("", 429, Failure.RATE_LIMITED),
        ("", 503, Failure.SERVER_ERROR),
        ("exceed_context_size_error", 400, Failure.CONTEXT_WINDOW),
    ],
)
def test_an_error_that_bears_a_status_is_what_the_status_says(code: str, status: int, failure: Failure) -> None:
    assert failure_of_code(code, status) is failure
