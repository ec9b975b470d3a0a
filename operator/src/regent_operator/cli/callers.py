"""Which ServiceAccount to make a token for, so that the first request of a new user is not refused."""

from collections.abc import Iterable, Iterator

from regent_api.config import AgentConfig
from regent_operator.cli.tokens import ServiceAccount

ANY_NAME = "developer"
"""Stands for `*` in a grant."""


def admitted(config: AgentConfig, caller: ServiceAccount) -> bool:
    return config.policy.callers.admits(caller.namespace, caller.name, agent_namespace=config.agent.namespace)


def someone_admitted(config: AgentConfig, known: Iterable[str]) -> ServiceAccount | None:
    """A caller whom every policy lets in: one of the manifests' ServiceAccounts (`known`, NAMESPACE/NAME) or one that a
    grant describes; None where no such caller can be found.
    """
    return next((caller for caller in _candidates(config, known) if admitted(config, caller)), None)


def _candidates(config: AgentConfig, known: Iterable[str]) -> Iterator[ServiceAccount]:
    for key in known:
        yield parse(key)
    for grants in config.policy.callers.service_accounts:
        for grant in grants:
            namespace = config.agent.namespace if grant.namespace in {None, "*"} else grant.namespace
            yield ServiceAccount(namespace or "", grant.name.replace("*", ANY_NAME))


def parse(text: str) -> ServiceAccount:
    """NAMESPACE/NAME. Raises ValueError."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ValueError(f"{text!r} is no caller; write NAMESPACE/NAME of a ServiceAccount")
    return ServiceAccount(namespace, name)
