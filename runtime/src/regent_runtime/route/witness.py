"""Who writes down what is sent to providers, before it is sent."""

from typing import Protocol

COUNT = "count"
"""The detail of a request that asks for a count and for no answer."""


class Witness(Protocol):
    async def attempt(self, provider: str, model: str, detail: str = "") -> None:
        """Returns when a request is written down; it is sent after that. Raises Refused (503)."""
