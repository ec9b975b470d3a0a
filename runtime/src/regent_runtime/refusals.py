"""The one table of what a caller may be refused, and the exception that carries a row of it.

A caller learns the class of a refusal and what to do next; the log line of the turn bears the reason. Nothing that a
provider, a token or a prompt contains ever enters a message. `docs/reference/errors.md` is made from this table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """A row. `code`, `status` and `type` go into OpenAI's error object; `meaning` is what the reference says."""

    code: str
    status: int
    type: str
    meaning: str
    field: str = ""
    """Path of the AgentPolicy field that refuses; empty where none does, or several may."""
    retry: bool = False
    """Whether sending the same request again can help; sent as `x-should-retry`, which the official clients obey."""

    @property
    def anthropic_type(self) -> str:
        """`type` in Anthropic's error object, by the status (https://platform.claude.com/docs/en/api/errors)."""
        other = _API if self.status >= 500 else _REQUEST
        return _ANTHROPIC_TYPES.get(self.status, other)


class Refused(Exception):  # noqa: N818 - a refusal is an outcome, not a fault of the program
    """A turn ends here. `message` is for the caller: what was wrong and what to write or do instead."""

    def __init__(
        self,
        refusal: Refusal,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        field: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.message = message
        self.param = param
        self.retry_after = retry_after
        """Seconds, sent as `Retry-After`."""
        self.field = refusal.field if field is None else field
        """Path of the AgentPolicy field that refuses."""
        self.details = details or {}
        """Further fields of the error object, for programs."""


_REQUEST = "invalid_request_error"
_AUTHENTICATION = "authentication_error"
_PERMISSION = "permission_error"
_RATE = "rate_limit_error"
_SERVER = "server_error"
_PROVIDER = "provider_error"
_API = "api_error"
_ANTHROPIC_TYPES = {
    401: _AUTHENTICATION,
    403: _PERMISSION,
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: _RATE,
    503: "overloaded_error",
    504: "timeout_error",
}

MALFORMED_HTTP = Refusal("malformed_http", 400, _REQUEST, "The bytes are not an HTTP/1.1 request.")
INVALID_JSON = Refusal("invalid_json", 400, _REQUEST, "The body is not valid JSON in UTF-8, or nests too deeply.")
INVALID_VALUE = Refusal(
    "invalid_value", 400, _REQUEST, "A field has the wrong type or a value out of range; `param` names it."
)
MISSING_FIELD = Refusal("missing_field", 400, _REQUEST, "A required field is absent; `param` names it.")
DUPLICATE_FIELD = Refusal("duplicate_field", 400, _REQUEST, "An object of the body has the same key twice.")
UNKNOWN_FIELD = Refusal(
    "unknown_field", 400, _REQUEST, "A field is not in the request table; `param` names it. Leave it out."
)
UNSUPPORTED_FIELD = Refusal(
    "unsupported_field",
    400,
    _REQUEST,
    "A known field asks for something that the runtime does not offer, or that no provider of the matching rule can be "
    "asked for.",
)
INSTRUCTIONS_NOT_ALLOWED = Refusal(
    "instructions_not_allowed",
    400,
    _REQUEST,
    "The policy does not let callers send system or developer messages (`callers.mayInstruct`).",
    field="callers.mayInstruct",
)
IMAGES_NOT_ALLOWED = Refusal(
    "images_not_allowed",
    400,
    _REQUEST,
    "The policy does not let callers send images (`guardrails.input.images`), or data of this sensitivity is "
    "anonymised (`data.classes`), which an image cannot be.",
)
INVALID_SENSITIVITY = Refusal(
    "invalid_sensitivity",
    400,
    _REQUEST,
    "X-Regent-Sensitivity is not one of Public, Internal, Confidential, Restricted.",
)
CONTENT_FILTERED = Refusal(
    "content_filter",
    400,
    _REQUEST,
    "The provider's content filter refuses the turn. Another provider is asked only where `fallback.errors` says so.",
)
TOKEN_MISSING = Refusal(
    "token_missing",
    401,
    _AUTHENTICATION,
    "The request bears no bearer token.",
    field="callers.anonymous",
)
TOKEN_INVALID = Refusal(
    "token_invalid",
    401,
    _AUTHENTICATION,
    "The token is malformed, expired, too long-lived, of another issuer or for another agent.",
)
CALLER_NOT_ALLOWED = Refusal(
    "caller_not_allowed", 403, _PERMISSION, "The caller is known, and the policy does not let it in."
)
AGENT_SUSPENDED = Refusal(
    "agent_suspended", 403, _PERMISSION, "The agent is suspended (`spec.suspend`): no new turns, running ones end."
)
NO_RULE_MATCHES = Refusal(
    "no_rule_matches", 403, _PERMISSION, "No rule of the route is for a turn of this sensitivity."
)
NO_PROVIDER_ALLOWED = Refusal(
    "no_provider_allowed", 403, _PERMISSION, "No provider of the matching rule may see a turn of this sensitivity."
)
DATA_CLASS_FORBIDDEN = Refusal(
    "data_class_forbidden",
    403,
    _PERMISSION,
    "The policy lets no model see data of this sensitivity (`data.classes`), or asks for an approval that nobody may "
    "give.",
)
APPROVAL_REQUIRED = Refusal(
    "approval_required",
    403,
    _PERMISSION,
    "Data of this sensitivity needs an approval first. `approval` in the error object has the `id` to hand to an "
    "approver, and `expiresAt`; then repeat the identical request with the header X-Regent-Approval.",
)
APPROVAL_PENDING = Refusal("approval_pending", 403, _PERMISSION, "Nobody has decided on the approval yet.")
APPROVAL_DENIED = Refusal("approval_denied", 403, _PERMISSION, "An approver denied the turn.")
APPROVAL_INVALID = Refusal(
    "approval_invalid",
    403,
    _PERMISSION,
    "The approval is unknown, expired or used, or is for another caller, body, policy or sensitivity.",
)
NOT_AN_APPROVER = Refusal(
    "not_an_approver",
    403,
    _PERMISSION,
    "The caller is known, and is not among the policy's `approvals.approvers`.",
    field="approvals.approvers",
)
OWN_APPROVAL = Refusal(
    "own_approval",
    403,
    _PERMISSION,
    "Callers may not decide on their own turns (`approvals.fourEyes`).",
    field="approvals.fourEyes",
)
NOT_FOUND = Refusal("not_found", 404, _REQUEST, "There is nothing at this path.")
CONVERSATION_NOT_FOUND = Refusal(
    "conversation_not_found",
    404,
    _REQUEST,
    "No conversation of this caller has this id. Leave the id out: the answer brings a new one.",
)
METHOD_NOT_ALLOWED = Refusal("method_not_allowed", 405, _REQUEST, "The path exists, with another method.")
APPROVAL_DECIDED = Refusal("approval_decided", 409, _REQUEST, "Someone has decided on this approval already.")
BODY_TOO_SLOW = Refusal("body_too_slow", 408, _REQUEST, "The request did not arrive in time.", retry=True)
BODY_TOO_LARGE = Refusal(
    "body_too_large",
    413,
    _REQUEST,
    "The body is larger than the policy's `size.maxRequestBytes`.",
    field="size.maxRequestBytes",
)
APPROVAL_TOO_LARGE = Refusal(
    "approval_too_large", 413, _REQUEST, "The turn needs an approval, and is longer than an approver can be shown."
)
UNSUPPORTED_MEDIA_TYPE = Refusal(
    "unsupported_media_type", 415, _REQUEST, "The body must be application/json, in UTF-8, without Content-Encoding."
)
INPUT_TOO_LONG = Refusal(
    "input_too_long",
    422,
    _REQUEST,
    "The input has more tokens than the policy's `size.maxInputTokens` lets through.",
    field="size.maxInputTokens",
)
CONTEXT_TOO_LONG = Refusal(
    "context_too_long", 422, _REQUEST, "The input does not fit into the context window of any provider of the rule."
)
TOO_MUCH_PERSONAL_DATA = Refusal(
    "too_much_personal_data",
    422,
    _REQUEST,
    "The input is to be anonymised and holds more different items of personal data than a turn can.",
)
RATE_LIMITED = Refusal(
    "rate_limit_exceeded",
    429,
    _RATE,
    "The policy's `limits` let no more turns begin, or run at once; `Retry-After` says when there is room.",
    retry=True,
)
TOO_MANY_APPROVALS = Refusal(
    "too_many_approvals",
    429,
    _RATE,
    "As many of the caller's turns wait for an approval, or to use one, as may: 16.",
)
BUDGET_SPENT = Refusal(
    "insufficient_quota",
    429,
    "insufficient_quota",
    "The turn may cost more than the policy's `budget` has left, for the conversation, the day or the month.",
)
PROVIDER_RATE_LIMITED = Refusal(
    "provider_rate_limited", 429, _RATE, "Every provider of the rule is at its limit.", retry=True
)
HEADERS_TOO_LARGE = Refusal("headers_too_large", 431, _REQUEST, "The request line and headers are too large.")
INTERNAL_ERROR = Refusal("internal_error", 500, _SERVER, "A fault of the runtime; its log bears the turn's id.")
PROVIDER_REJECTED = Refusal("provider_rejected", 502, _PROVIDER, "The provider finds the request invalid.")
PROVIDER_FAILED = Refusal("provider_failed", 502, _PROVIDER, "Every provider of the rule failed.", retry=True)
NOT_READY = Refusal("not_ready", 503, _SERVER, "The pod has no valid config yet.", retry=True)
DRAINING = Refusal(
    "draining",
    503,
    _SERVER,
    "The pod is ending; another one takes the request. Of a turn that ran: `drain.timeout` was over before it.",
    retry=True,
)
OVERLOADED = Refusal(
    "overloaded",
    503,
    _SERVER,
    "The pod runs as many turns, or holds as many bytes of requests, as it may at once.",
    retry=True,
)
AUDIT_UNAVAILABLE = Refusal(
    "audit_unavailable",
    503,
    _SERVER,
    "The turn cannot be written down, and the policy lets no such turn pass (`audit.onFailure`).",
    retry=True,
)
STATE_UNAVAILABLE = Refusal(
    "state_unavailable",
    503,
    _SERVER,
    "The state that limits, conversations or approvals need cannot be reached, or is full (`onStateError`).",
    retry=True,
)
PROVIDER_TIMEOUT = Refusal("provider_timeout", 504, _PROVIDER, "No provider of the rule answered in time.", retry=True)
TURN_TIMEOUT = Refusal(
    "turn_timeout",
    504,
    _SERVER,
    "The turn took longer than the policy's `size.turnTimeout` or the route's total.",
    field="size.turnTimeout",
)


def table() -> Iterator[Refusal]:
    """Every row, by status and code."""
    rows = [value for value in globals().values() if isinstance(value, Refusal)]
    return iter(sorted(rows, key=lambda row: (row.status, row.code)))


def reference() -> str:
    """The text of docs/reference/errors.md."""
    lines = [
        "<!-- Made by `python -m regent_runtime.refusals`; do not edit. -->",
        "# Errors of an agent's endpoint",
        "",
        'Every refusal is OpenAI\'s error object: `{"error": {"message", "type", "param", "code"}}`. `code` is',
        "one of these. The header `x-should-retry` says whether sending the same request again can help. Once a stream",
        "has begun, the same object comes as a `data:` line, and no `[DONE]` follows.",
        "",
        "`/v1/messages` answers with the same statuses, headers and codes in Anthropic's error object (messages.md),",
        "whose `type` is in the last column.",
        "",
        "| status | code | type | meaning | retry | type in Messages |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in table()]
    return "\n".join(lines) + "\n"


def _line(row: Refusal) -> str:
    retry = "yes" if row.retry else "no"
    return f"| {row.status} | `{row.code}` | `{row.type}` | {row.meaning} | {retry} | `{row.anthropic_type}` |"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - the text is the program's output
