"""The failures for which no provider charges: it had no request to work on, or refused it before it worked.

All others may cost something: a request that was cut, or waited for in vain, may have been answered to the end.
"""

from regent_runtime.route.failure import Failure

NOT_CHARGED = frozenset(
    {
        Failure.CONNECT,
        Failure.CONNECT_TIMEOUT,
        Failure.DESTINATION_REFUSED,
        Failure.CREDENTIAL_UNUSABLE,
        Failure.REDIRECTED,
        Failure.UNAUTHENTICATED,
        Failure.NOT_FOUND,
        Failure.RATE_LIMITED,
        Failure.OVERLOADED,
        Failure.QUOTA_EXHAUSTED,
        Failure.CONTEXT_WINDOW,
        Failure.REJECTED,
    }
)
