"""A caller's names in lists of groups and subjects, as Kubernetes writes them.

Names under `system:` are the cluster's alone: no OIDC issuer and no API key can claim one.
"""

from regent_runtime.callers import Caller, CallerKind

_RESERVED = "system:"


def subject(caller: Caller) -> str | None:
    """`system:serviceaccount:NAMESPACE:NAME`, `apikey:NAME`, or an OIDC token's `sub`.

    None for nobody, and for one whom only some of the policies would know by this name.
    """
    match caller.kind:
        case CallerKind.SERVICE_ACCOUNT:
            return f"system:serviceaccount:{caller.namespace}:{caller.name}"
        case CallerKind.API_KEY:
            return f"apikey:{caller.name}" if caller.vouched else None
        case CallerKind.OIDC:
            reserved = caller.name.startswith((_RESERVED, "apikey:"))
            return caller.name if caller.vouched and not reserved else None
        case CallerKind.ANONYMOUS:
            return None


def groups(caller: Caller) -> frozenset[str]:
    """A ServiceAccount's are those that the API server gives it; others' are proved by token or key."""
    if caller.kind is CallerKind.SERVICE_ACCOUNT:
        return frozenset({"system:serviceaccounts", f"system:serviceaccounts:{caller.namespace}"})
    return frozenset(group for group in caller.groups if not group.startswith(_RESERVED))
