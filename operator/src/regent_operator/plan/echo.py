"""What a pod says of itself at `GET :9090/statusz`, read from its answer.

Parsed once at the edge: a pod may answer anything.
"""

import re
from dataclasses import dataclass, field
from sys import intern
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from regent_api.price import Amount
from regent_api.seal import LARGEST_SEQUENCE
from regent_api.status import Digests
from regent_api.types import DNS_LABEL
from regent_operator.plan.document import once
from regent_operator.plan.trial import CanarySaid

MOST_ERROR_CHARACTERS = 1024
_BEYOND = re.compile(r"and ([0-9]{1,9}) more", re.ASCII)
"""The last word of a list that the pod has cut."""
LASTING = frozenset({"log_damaged", "fork", "records_let_go"})
"""Why a pod's audit log goes on neither on its disk nor at the collector, and never will. What else it says passes."""


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """Of one alert in one pod, since the pod began."""

    policy: str
    name: str
    fired: int = 0
    failed: int = 0
    """Evaluations without an answer, and deliveries that were given up."""
    fired_at: int | None = None
    """Unix time of the last match, by the pod's clock."""


@dataclass(frozen=True, slots=True)
class ProviderSaid:
    """Of one provider, by one pod."""

    name: str
    breaker: str
    last_failure: str


@dataclass(frozen=True, slots=True)
class BudgetSaid:
    """Of the agent's day or month, by one pod: what it heard of the state that counts."""

    period: str
    of: str
    """2026-11-26, or 2026-11."""
    usd: str
    exhausted: bool
    at: int = field(default=0, compare=False)
    """Unix time when it heard it, by its clock."""


@dataclass(frozen=True, slots=True)
class Echo:
    """What a pod says at `GET :9090/statusz`. `digests` are of the config for new turns; None before any loaded."""

    pod_uid: str
    digests: Digests | None = None
    oldest_turn: str | None = None
    """Config digest of the oldest turn that still runs; None: no turn runs."""
    config_error: str | None = None
    config_sequence: int | None = None
    """Of the seal that the pod accepted last; it takes nothing older."""
    missing_credentials: tuple[str, ...] = ()
    """SECRET/KEY."""
    active_conversations: int = field(default=0, compare=False)
    """They come and go with every turn, and no child or condition hangs on them."""
    suspended: bool = False
    draining: bool = False
    log_failing: str = ""
    """One of LASTING, or empty."""
    content_refused: bool = False
    """Whether the collector does not take some of its files of content."""
    missing_beyond: int = 0
    """How many more credentials are missing than the pod names."""
    alerts: tuple[AlertFigures, ...] = field(default=(), compare=False)
    """They change with every match, and no child or condition hangs on them."""
    alert_moves: int = field(default=0, compare=False)
    providers: tuple[ProviderSaid, ...] = ()
    budgets: tuple[BudgetSaid, ...] = ()
    canary: CanarySaid | None = None
    """Its latest forbidden connection; what that proves is a Trial."""


def echo_of(body: object) -> Echo | None:
    """Read the JSON of `/statusz`; None when it is not of that shape: whoever answers there is not believed."""
    try:
        said = _Statusz.model_validate(body)
    except ValidationError:
        return None
    missing, beyond = _listed(said.missing_credentials)
    return Echo(
        pod_uid=said.pod.uid,
        digests=once(said.digests) if said.digests else None,
        oldest_turn=said.oldest_turn.config if said.oldest_turn else None,
        config_error=said.config_error[:MOST_ERROR_CHARACTERS] if said.config_error is not None else None,
        config_sequence=said.config_sequence,
        missing_credentials=missing,
        missing_beyond=beyond,
        log_failing=said.audit.lasting,
        content_refused=bool(said.audit.collector and said.audit.collector.content_refused),
        providers=tuple(_provider_said(each) for each in said.providers),
        budgets=tuple(BudgetSaid(**each.model_dump()) for each in said.budgets),
        active_conversations=said.active_conversations,
        suspended=said.suspended,
        draining=said.draining,
        alerts=tuple(AlertFigures(**each.model_dump()) for each in said.audit.alerts),
        alert_moves=said.audit.alert_moves,
        canary=CanarySaid(said.canary.address, said.canary.outcome) if said.canary else None,
    )


def _provider_said(said: "_Provider") -> ProviderSaid:
    """Thousands of pods use a few words."""
    return ProviderSaid(intern(said.name), intern(said.breaker), intern(said.last_failure))


def _listed(names: list[str]) -> tuple[tuple[str, ...], int]:
    """What a pod names, and how many more there are."""
    cut = _BEYOND.fullmatch(names[-1]) if names else None
    return (tuple(names[:-1]), int(cut[1])) if cut else (tuple(names), 0)


_Figure = Annotated[int, Field(ge=0, le=2**53)]
_Failing = Annotated[str, StringConstraints(max_length=64)]


class _Said(BaseModel):
    """Strict and bounded; fields that a newer runtime adds are left alone."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Pod(_Said):
    uid: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Turn(_Said):
    config: Annotated[str, StringConstraints(max_length=71)]


class _Alert(_Said):
    policy: Annotated[str, StringConstraints(max_length=320)]
    name: Annotated[str, StringConstraints(max_length=63)]
    fired: _Figure
    failed: _Figure
    fired_at: Annotated[_Figure | None, Field(alias="firedAt")] = None


class _Collector(_Said):
    failing: _Failing
    content_refused: Annotated[_Figure, Field(alias="contentRefused")] = 0


class _Audit(_Said):
    failing: _Failing = ""
    collector: _Collector | None = None
    alerts: Annotated[list[_Alert], Field(max_length=64)] = []
    alert_moves: Annotated[_Figure, Field(alias="alertMoves")] = 0

    @property
    def lasting(self) -> str:
        """One of LASTING, or empty."""
        said = (self.failing, self.collector.failing if self.collector else "")
        return next((each for each in said if each in LASTING), "")


_QUIET = _Audit()


class _Provider(_Said):
    name: Annotated[str, StringConstraints(pattern=DNS_LABEL, max_length=63)]
    breaker: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z]{1,16}$")]
    last_failure: Annotated[str, StringConstraints(pattern=r"^[a-z_]{0,32}$"), Field(alias="lastFailure")]


class _Budget(_Said):
    period: Annotated[str, StringConstraints(pattern=r"^(Day|Month)$")]
    of: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$")]
    usd: Amount
    exhausted: bool
    at: _Figure


class _Canary(_Said):
    address: Annotated[str, StringConstraints(max_length=64)]
    outcome: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,16}$")]


class _Statusz(_Said):
    pod: _Pod
    digests: Digests | None = None
    oldest_turn: Annotated[_Turn | None, Field(alias="oldestTurn")] = None
    config_error: Annotated[str | None, Field(alias="configError")] = None
    config_sequence: Annotated[int | None, Field(alias="configSequence", ge=1, le=LARGEST_SEQUENCE)] = None
    missing_credentials: Annotated[
        list[Annotated[str, StringConstraints(max_length=512)]], Field(alias="missingCredentials", max_length=1024)
    ] = []
    providers: Annotated[list[_Provider], Field(max_length=16)] = []
    budgets: Annotated[list[_Budget], Field(max_length=2)] = []
    active_conversations: Annotated[int, Field(alias="activeConversations", ge=0, le=1_000_000_000)] = 0
    suspended: bool = False
    draining: bool = False
    audit: Annotated[_Audit, Field(default_factory=lambda: _QUIET)]
    """Most pods say nothing of it; a default would be copied for each answer, which took a third of its reading."""
    canary: _Canary | None = None
