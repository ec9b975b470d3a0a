"""CEL rules as the API server evaluates them: the language, and those of Kubernetes' own functions that the CRDs use.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries. Values of those libraries' types (URL,
Quantity) stay the strings that they were made from; a method is a function of its receiver.
"""

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import cel

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_SCALE = {"m": Decimal("0.001"), "": Decimal(1)}
_SCALE |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)}
_SCALE |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


def holds(rule: str, value: Any) -> bool:
    """Whether a rule is true of `self`. Raises RuntimeError for a function that is not in FUNCTIONS."""
    context = cel.Context({"self": value})
    for name, function in FUNCTIONS.items():
        context.add_function(name, function)
    return bool(cel.evaluate(rule, context))


def is_cidr(text: str) -> bool:
    """A length is required, host bits are allowed."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" in text


def is_url(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc)


def port_of(url: str) -> str:
    """The digits after the host, or nothing."""
    return urlsplit(url).netloc.partition(":")[2]


def is_quantity(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None


def compare(quantity: str, other: str) -> int:
    """-1, 0 or 1."""
    left, right = _amount(quantity), _amount(other)
    return (left > right) - (left < right)


def _amount(quantity: str) -> Decimal:
    number, unit = _QUANTITY.fullmatch(quantity).groups("")  # type: ignore[union-attr]  # rules ask isQuantity first
    return Decimal(number) * _SCALE[unit]


def _same(text: str) -> str:
    return text


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "compareTo": compare,
    "getPort": port_of,
    "isCIDR": is_cidr,
    "isQuantity": is_quantity,
    "isURL": is_url,
    "quantity": _same,
    "url": _same,
}
