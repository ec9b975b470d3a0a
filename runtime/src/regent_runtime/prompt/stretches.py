"""Which old exchanges become a summary: pure, and the same in each turn of a conversation until it overflows again.

The history is walked as it came about. Where a prompt would have been too long, the oldest exchanges are taken out,
until what is left fills half of the room: so a summary stays as it is for many turns, and providers' prompt caches hit.
Nothing is remembered for that; it follows from the history, on every replica alike.
"""

from collections.abc import Iterator, Sequence

from regent_runtime.prompt.exchanges import Exchange
from regent_runtime.prompt.weight import of_message, of_messages


def stretches(history: Sequence[Exchange], room: int, summary: int) -> list[int]:
    """Ends of the stretches of exchanges that are summarised one after the other; empty where all fits.

    `room`: tokens for all of them and a summary, which takes `summary`. The last exchange is never in a stretch.
    """
    sizes = [of_messages(each.messages) for each in history]
    ends: list[int] = []
    begin = kept = 0
    for at, exchange in enumerate(history):
        points = list(_asked(exchange))
        for asked in points if at < len(history) - 1 else [*points, sizes[at]]:
            if kept + asked + (summary if ends else 0) <= room:
                continue
            cut = begin
            while cut < at and kept + asked + summary > room // 2:
                kept -= sizes[cut]
                cut += 1
            if cut > begin:
                begin = cut
                ends.append(cut)
        kept += sizes[at]
    return ends


def _asked(exchange: Exchange) -> Iterator[int]:
    """Tokens up to each point at which a model was asked: after the user's words, after the results of tools."""
    total = 0
    for message, after in zip(exchange.messages, [*exchange.messages[1:], None], strict=True):
        total += of_message(message)
        if message["role"] != "assistant" and (after is None or after["role"] == "assistant"):
            yield total
