"""ServiceAccounts, by the claims of Kubernetes' bound tokens (KEP-1205)."""

from regent_runtime.callers.tokens import Claims
from regent_runtime.refusals import TOKEN_INVALID, Refused


def service_account(claims: Claims) -> tuple[str, str]:
    """Namespace and name that verified claims give. Raises Refused (401)."""
    kubernetes = claims.get("kubernetes.io")
    account = kubernetes.get("serviceaccount") if isinstance(kubernetes, dict) else None
    namespace = kubernetes.get("namespace") if isinstance(kubernetes, dict) else None
    name = account.get("name") if isinstance(account, dict) else None
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        raise Refused(TOKEN_INVALID, "The token is not of a ServiceAccount.")
    if claims["sub"] != f"system:serviceaccount:{namespace}:{name}":
        raise Refused(TOKEN_INVALID, "The token's subject and its ServiceAccount differ.")
    return namespace, name
