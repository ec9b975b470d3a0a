"""One HTTP request to an agent, with the token of whoever asks, and its answer.

On the standard library alone, so that it shows the wire and nothing else. Official SDKs work just as well.
"""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import SplitResult, urlsplit

_TOKEN = re.compile("[!-~]+")


class UnreachableError(Exception):
    """The request could not be made, there was no HTTP answer, or it broke off. Never quotes the token."""


@contextmanager
def exchange(
    endpoint: str, method: str, path: str, body: str | None = None, *, token: str | None, deadline: float
) -> Iterator[http.client.HTTPResponse]:
    """The answer, to be read within. `deadline` in seconds, for each read. Raises UnreachableError, also for a
    ValueError of who reads.
    """
    try:
        url = urlsplit(endpoint)
        with closing(_connection(url, deadline)) as connection:
            headers = {"Content-Type": "application/json", **_authorization(token)}
            connection.request(method, url.path.rstrip("/") + path, body, headers)
            yield connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{endpoint}: {error}") from error


def _connection(url: SplitResult, deadline: float) -> http.client.HTTPConnection:
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("no address of an agent; write http://HOST:PORT")
    secure = url.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    return connect(url.hostname, url.port or (443 if secure else 80), timeout=deadline)


def _authorization(token: str | None) -> dict[str, str]:
    """Judged before http.client does, whose words would hold the token."""
    if not token:
        return {}
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token is none: it holds a space, a line end or another character that no token has")
    return {"Authorization": f"Bearer {token}"}
