"""Which state a config's turns use: the pod's own, or the Redis that the agent names.

The pod's state belongs to the process, so a new config forgets no window and no conversation. A connection to Redis
is shared by the configs that mean the same server under the same egress rules, and closed with the last of them.
"""

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from regent_api.config import AgentConfig, RedisConfig, digest
from regent_api.policy import StateError
from regent_runtime.addresses import AddressRule, InsideCluster, OutsideHosts
from regent_runtime.attendance import Attendance
from regent_runtime.credentials import Credentials
from regent_runtime.limits.spending import Spending
from regent_runtime.state.contract import State, StateAway
from regent_runtime.state.link import Address, Link
from regent_runtime.state.pod import PodState
from regent_runtime.state.shared import RedisState
from regent_runtime.transport import PinnedResolver


@dataclass(frozen=True, eq=False)
class StateInUse:
    """What the stages of one config keep their things in. Close it with the config's last turn."""

    state: State
    pod: State
    """For what a policy lets each pod do alone while the other is away."""
    on_error: StateError
    _release: Callable[[], State | None]
    spending: Spending = field(default_factory=Spending)
    """What the process has heard of the agent's budgets."""
    attendance: Attendance = field(default_factory=Attendance)
    failed: Callable[[str], None] = lambda _: None
    """Is told why something could not be had from the state."""

    async def close(self) -> None:
        unused = self._release()
        if unused is not None:
            await unused.close()


@dataclass
class _Open:
    state: RedisState
    users: int = 0


@dataclass
class States:
    """Of one process. `failed` is told the reason of every operation that did not reach the shared state."""

    credentials: Credentials
    failed: Callable[[str], None] = lambda _: None
    spending: Spending = field(default_factory=Spending)
    attendance: Attendance = field(default_factory=Attendance)
    _pod: PodState = field(default_factory=PodState)
    _open: dict[str, _Open] = field(default_factory=dict)

    def of(self, config: AgentConfig) -> StateInUse:
        """Raises ValueError for a URL that is none; nothing is connected yet."""
        redis = config.state.redis
        if redis is None:
            return self._in_use(self._pod, config, lambda: None)
        key = digest([redis.wire(), config.policy.egress.wire(), config.cluster_cidrs, config.cluster_domain])
        if key not in self._open:
            self._open[key] = _Open(RedisState(self._link(redis, config), config.agent))
        self._open[key].users += 1
        return self._in_use(self._open[key].state, config, lambda: self._released(key))

    def _in_use(self, state: State, config: AgentConfig, release: Callable[[], State | None]) -> StateInUse:
        on_error = config.policy.on_state_error
        return StateInUse(state, self._pod, on_error, release, self.spending, self.attendance, self.failed)

    def _released(self, key: str) -> State | None:
        self._open[key].users -= 1
        return self._open.pop(key).state if self._open[key].users == 0 else None

    def _link(self, redis: RedisConfig, config: AgentConfig) -> Link:
        address = Address.of(redis.url)
        resolver = PinnedResolver(rule_for(address.host, config))
        file = redis.password
        password = None if file is None else lambda: self.credentials.value(file, address.host)
        return Link(address, resolver, password, refused=refusal_of(address, config), failed=self.failed)


def rule_for(host: str, config: AgentConfig) -> AddressRule:
    """Services and addresses of the cluster must lie in it, all other hosts outside of it. Raises ValueError."""
    inside = InsideCluster(config.cluster_cidrs)
    if config.is_service(host):
        return inside
    with suppress(ValueError):
        if inside.admits(ipaddress.ip_address(host)):
            return inside
    return OutsideHosts(config.policy.egress, config.cluster_cidrs)


def refusal_of(address: Address, config: AgentConfig) -> StateAway | None:
    """Why no connection may be made to the host at all, or None."""
    if not config.policy.egress.admits_host(address.host):
        return StateAway("host_not_allowed")
    if not address.tls and not isinstance(rule_for(address.host, config), InsideCluster):
        return StateAway("plain_redis_outside")
    return None
