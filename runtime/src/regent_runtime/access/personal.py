"""The personal data of a request: what the detectors find in all that a provider would be sent of the caller's.

All six detectors look, whatever `guardrails.output.personalData.detectors` says of answers. What they cannot see stands
in docs/limits.md.
"""

from collections.abc import Iterator, Mapping

from regent_api.policy import Detector
from regent_runtime.access.placeholders import KINDS
from regent_runtime.guard.personal_data import found
from regent_runtime.wire.request import ChatRequest
from regent_runtime.wire.strings import strings

_ALL = tuple(detector.value for detector in Detector)


class PersonalData:
    """Of one request; searched when first asked, and once."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self.unseen = bool(request.images)
        """Whether there may be some that no detector sees."""
        self._values: dict[str, str] | None = None

    async def values(self) -> Mapping[str, str]:
        """Each value as it is written -> the kind of its placeholder. Lets others run while it searches."""
        if self._values is None:
            values: dict[str, str] = {}
            for text in texts(self._request):
                for each in await found(text, _ALL):
                    values.setdefault(text[each.start : each.end], KINDS[Detector(each.detector)])
            self._values = values
        return self._values


def texts(request: ChatRequest) -> Iterator[str]:
    """Every text of the caller that goes to a provider, one by one."""
    for message in request.messages:
        for name, value in message.items():
            if name != "role":
                yield from strings(value, numbers=True)
    yield from (text for value in request.forwarded.values() for text in strings(value, numbers=True))
