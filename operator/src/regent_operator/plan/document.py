"""An AgentConfig as its pods are given it: the text, byte for byte, and its digests.

What many agents share (policy, its sources, route, whose tokens count) is most of a document, and is written once for
all of them.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from regent_api.config import AgentConfig, canonical, digest_of, written
from regent_api.model import Model
from regent_api.status import Digests
from regent_operator.plan.remembered import Remembered, Shared

MODELS = ("policy", "route", "tokens")
SHARED = (*MODELS, "sources")
"""Fields without a default, so that they always stand in the document."""
MOST_AT_WORK = 16
"""Documents that were written last, those of the workers' agents: each is asked for several times in one look."""


@dataclass(frozen=True)
class Document:
    text: str
    """Canonical JSON, byte for byte the same for equal configs."""
    digests: Digests
    """As `AgentConfig.digests` gives them."""


def document(config: AgentConfig) -> Document:
    """Of the same config always the same."""
    for known, made in _written_last:
        if known is config:
            return made
    made = _document(config)
    _written_last.append((config, made))
    return made


_written_last: deque[tuple[AgentConfig, Document]] = deque(maxlen=MOST_AT_WORK)


def _document(config: AgentConfig) -> Document:
    own = config.wire(frozenset(SHARED))
    parts = {name: canonical(value) for name, value in own.items()}
    shared = {name: _part(getattr(config, name)) for name in MODELS}
    parts |= {name: part.text for name, part in shared.items()}
    parts["sources"] = _sources.of(config.policy, also=config.sources, make=lambda: canonical(config.sources))
    meaning = {name: text for name, text in parts.items() if name != "sources"}
    digests = Digests(config=digest_of(joined(meaning)), policy=shared["policy"].digest, route=shared["route"].digest)
    return Document(joined(parts), once(digests))


def once(digests: Digests) -> Digests:
    """The very same for equal ones: a plan is kept for each agent, and what each of its pods echoes."""
    return _digests.of(digests.config, digests.policy, digests.route, make=lambda: digests)


_digests: Shared[Digests] = Shared()


@dataclass(frozen=True)
class _Part:
    text: str
    digest: str

    @classmethod
    def of(cls, part: Model) -> "_Part":
        text = canonical(written(part))
        return cls(text, digest_of(text))


def _part(part: Model) -> _Part:
    return _parts.of(part, make=lambda: _Part.of(part))


_parts: Remembered[_Part] = Remembered()
_sources: Remembered[str] = Remembered()
"""By the policy, whose sources they are."""


def joined(parts: Mapping[str, str]) -> str:
    """The canonical JSON of an object whose members are canonical JSON already."""
    return "{" + ",".join(f"{json.dumps(name)}:{parts[name]}" for name in sorted(parts)) + "}"
