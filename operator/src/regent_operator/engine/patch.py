"""RFC 7396: the smallest merge patch that turns one JSON object into another."""

from typing import Any

Object = dict[str, Any]


def merge_patch(live: Object, wanted: Object) -> Object:
    """Empty when they are equal. Lists are replaced whole; what is absent in `wanted` becomes null."""
    patch: Object = {name: None for name in live if name not in wanted}
    for name, value in wanted.items():
        before = live.get(name)
        if before == value and name in live:
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            patch[name] = merge_patch(before, value)
        else:
            patch[name] = value
    return patch
