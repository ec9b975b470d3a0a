"""What of a live child is ours, and whether anyone else holds a part of it.

A write is needed only when the fields that we own differ from the fields that we want; `metadata.managedFields` says
which those are (https://kubernetes.io/docs/reference/using-api/server-side-apply/). Hashes, so that thousands of
children can be remembered.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from regent_operator.engine.client import FIELD_MANAGER

Object = dict[str, Any]
QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|[MGTPE]i?|Ki)?")
_SCALE = {"m": Decimal("0.001"), "k": Decimal(1000), "": Decimal(1)} | {
    prefix + suffix: Decimal(base) ** power
    for power, prefix in enumerate("KMGTPE", start=1)
    for suffix, base in (("i", 1024), ("", 1000))
}
_QUANTITIES = frozenset({"averageValue", "resources", "sizeLimit"})
"""Fields in which quantities stand."""
_STORED_OTHERWISE = [word.encode() for word in ("null", *sorted(_QUANTITIES))]
"""Text without any of these is stored as it is written; with one it may be stored otherwise."""
_NESTED = (dict, list)
_RESTART = ("f:spec", "f:template", "f:metadata", "f:annotations")
_IDENTITY = {"name", "namespace", "uid"}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`entry` hashes our managedFields entry with its time; None: we have none.

    `intrusion` hashes the fields that somebody else holds where only ours may stand, which an apply alone cannot
    remove; empty: there are none.
    """

    entry: bytes | None
    intrusion: bytes


def fingerprint(metadata: Mapping[str, Any]) -> Fingerprint:
    entries = metadata.get("managedFields") or []
    ours = [entry for entry in entries if _is_ours(entry)]
    others = [entry.get("fieldsV1") or {} for entry in entries if not _is_ours(entry) and not entry.get("subresource")]
    intruding = [fields for fields in others if _intrudes(fields)]
    return Fingerprint(
        entry=hash_of([[entry.get("time"), entry.get("fieldsV1")] for entry in ours]) if ours else None,
        intrusion=hash_of(intruding) if intruding else b"",
    )


def owned(live: Object) -> Object | None:
    """The values that we own in a live object, in the form of an SSA body; None: we own nothing of it."""
    for entry in live["metadata"].get("managedFields") or []:
        if _is_ours(entry):
            found: Object = _extract(live, entry.get("fieldsV1") or {})
            return found
    return None


def owned_hash(live: Object) -> bytes | None:
    """Hash of the values that we own in a live object; None: we own nothing of it."""
    found = owned(live)
    return None if found is None else _normal_hash(found)


def wanted_hash(wanted: Object) -> bytes:
    """Hash of an SSA body; equal to `owned_hash` of the live object once it is applied."""
    body = {name: value for name, value in wanted.items() if name not in {"apiVersion", "kind"}}
    body["metadata"] = {name: value for name, value in wanted["metadata"].items() if name not in _IDENTITY}
    return _normal_hash(body)


def sets_replicas(metadata: Mapping[str, Any]) -> bool:
    """Whether we hold how many pods a Deployment has."""
    ours = (entry.get("fieldsV1") or {} for entry in metadata.get("managedFields") or [] if _is_ours(entry))
    return any("f:replicas" in (fields.get("f:spec") or {}) for fields in ours)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _intrudes(fields: Mapping[str, Any]) -> bool:
    """Whether fields hold content. Labels and annotations are anyone's; so is kubectl's restart mark.

    So is a number of pods alone: where it is ours, our apply takes it, and where it is not, it is an autoscaler's.
    """
    content = {name: value for name, value in fields.items() if name != "f:metadata"}
    spec = content.get("f:spec")
    if isinstance(spec, dict) and (set(spec) <= {".", "f:replicas"} or _only_restarts(spec)):
        del content["f:spec"]
    owners = (fields.get("f:metadata") or {}).get("f:ownerReferences")
    return bool(content or owners)


def _only_restarts(spec: Mapping[str, Any]) -> bool:
    at: Any = {"f:spec": spec}
    for step in _RESTART:
        if set(at) - {"."} != {step}:
            return False
        at = at[step]
    return True


def _extract(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of `value` that a FieldsV1 tree names; a leaf names the whole."""
    if not fields:
        return value
    if isinstance(value, dict):
        named = [(step[2:], sub) for step, sub in fields.items() if step[:2] == "f:" and step[2:] in value]
        return {name: _extract(value[name], sub) if sub else value[name] for name, sub in named}
    if isinstance(value, list):
        return _extract_list(value, fields)
    return value


def _extract_list(value: list[Any], fields: Mapping[str, Any]) -> list[Any]:
    members = [_decode(name[2:]) for name in fields if name[:2] == "v:"]
    keyed = [(_decode(name[2:]).items(), sub) for name, sub in fields.items() if name[:2] == "k:"]
    found = []
    for item in value:
        if isinstance(item, dict):
            found += [_extract(item, sub) for key, sub in keyed if key <= item.items()]
        elif item in members:
            found.append(item)
    return found


def _normal_hash(value: Object) -> bytes:
    """Most bodies hold nothing that is stored otherwise than it is written, and need not be walked to be hashed."""
    text = _canonical(value)
    return _digest(_canonical(_normal(value)) if any(word in text for word in _STORED_OTHERWISE) else text)


def _normal(value: Any) -> Any:
    """Equal for what the API server stores alike: absent and null, `0.5` and `500m` where quantities stand."""
    if isinstance(value, list):
        return [_normal(item) if isinstance(item, _NESTED) else item for item in value]
    found = {}
    for name, item in value.items():
        if name in _QUANTITIES:
            found[name] = _quantities(item)
        elif item is not None:
            found[name] = _normal(item) if isinstance(item, _NESTED) else item
    return found


def _quantities(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _quantities(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_quantities(item) for item in value]
    match = QUANTITY.fullmatch(str(value)) if isinstance(value, str | int) else None
    return str((Decimal(match[1]) * _SCALE[match[2] or ""]).normalize()) if match else value


def hash_of(value: Any) -> bytes:
    """Of JSON: the same for what is equal."""
    return _digest(_canonical(value))


_canonical = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.decode


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()
