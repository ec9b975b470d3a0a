import pytest
from multidict import CIMultiDict

from regent_runtime.route.retry_after import LONGEST_RESET, LONGEST_RETRY_AFTER, seconds_to_wait

NOW = 1_792_567_670.0
"""Wed, 21 Oct 2026 07:27:50 GMT."""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, LONGEST_RETRY_AFTER),
        ({"Retry-After": "3600"}, 3600),
        ({"Retry-After": "86400"}, 86_400),
        ({"Retry-After": "86401"}, LONGEST_RETRY_AFTER),
        ({"Retry-After": "Wed, 21 Oct 2026 08:27:50 GMT"}, 3600),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_RETRY_AFTER),
        ({"retry-after-ms": "3600000"}, 3600),
        ({"retry-after-ms": "1e300"}, LONGEST_RETRY_AFTER),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h30m"}, LONGEST_RESET),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9d"}, LONGEST_RESET),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:27:57 GMT"}, 3),
        ({"Retry-After": "Wed, 99 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
        ({"retry-after-ms": "soon", "Retry-After": "2"}, 2),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0m56.5s"}, 56.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7"}, 7),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "1m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m", "Retry-After": "2"}, 2),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:05Z",
                "anthropic-ratelimit-requests-remaining": "4",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:29:00Z",
            },
            15,
        ),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "soon"}, None),
    ],
)
def test_what_a_provider_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(CIMultiDict(headers), NOW) == seconds


def test_resets_count_where_a_limit_is_what_the_reply_is_about() -> None:
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    assert seconds_to_wait(spent) == 20
    assert seconds_to_wait(spent, resets=False) is None
    assert seconds_to_wait({**spent, "Retry-After": "3"}, resets=False) == 3
