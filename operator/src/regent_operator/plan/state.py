"""Where an agent's pods keep what outlives a turn.

Conversations are what pods offer, not what a policy asks: where no pod can keep them for all, none are issued, and
turns go on as ever.
"""

import ipaddress
from contextlib import suppress

from regent_api.config import CredentialFile, DrainConfig, RedisConfig, StateConfig
from regent_api.drain import IDLE_AFTER_DEFAULT
from regent_api.objects import AIAgent
from regent_api.types import in_cluster, seconds
from regent_operator.plan.inputs import Installation

CREDENTIAL_NAME = "redis"


def state_config(agent: AIAgent) -> StateConfig:
    """What the pods are told."""
    redis = agent.spec.state.redis if agent.spec.state else None
    if redis is None:
        return StateConfig(conversations=agent.spec.most_replicas == 1)
    secret = redis.password_from.secret_key_ref if redis.password_from else None
    password = CredentialFile(name=CREDENTIAL_NAME, secret=secret.name, key=secret.key) if secret else None
    return StateConfig(conversations=True, redis=RedisConfig(url=redis.url, password=password))


def drain_config(agent: AIAgent) -> DrainConfig:
    """When the pods count a conversation as over."""
    drain = agent.spec.drain
    return DrainConfig(idle_after_seconds=seconds((drain and drain.idle_after) or IDLE_AFTER_DEFAULT))


def is_inside(host: str, installation: Installation) -> bool:
    """Whether a host is a Service or an address of the cluster."""
    if in_cluster(host, installation.cluster_domain) is not None:
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(cidr, strict=False) for cidr in installation.cluster_cidrs)
    return False
