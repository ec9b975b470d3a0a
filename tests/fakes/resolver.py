"""Name resolution for tests: Services of the cluster live on loopback, and any other name can be put anywhere."""

import socket
from typing import Any

_real = socket.getaddrinfo
ELSEWHERE: dict[str, list[str]] = {}
"""Host -> the addresses that it is found at."""
NOWHERE = "nowhere.demo.svc"
"""A name that is not there."""


def loopback(host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
    """In the place of socket.getaddrinfo."""
    if host == NOWHERE:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if host in ELSEWHERE:
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ELSEWHERE[host]
        ]
    if host.endswith(".svc"):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    return _real(host, port, *arguments, **options)
