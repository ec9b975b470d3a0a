"""What the headers of a refusal say, in every dialect."""

import math

from regent_runtime.refusals import Refused
from regent_runtime.serve.http import Header


def error_headers(refused: Refused) -> list[Header]:
    headers = [(b"x-should-retry", b"true" if refused.refusal.retry else b"false")]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(refused.retry_after))).encode()))
    if refused.refusal.status == 401:
        words = b'Bearer realm="regent"' + (
            b', error="invalid_token"' if refused.refusal.code == "token_invalid" else b""
        )
        headers.append((b"www-authenticate", words))
    return headers
