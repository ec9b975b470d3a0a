"""An AgentConfig as its pods are given it: the text, byte for byte, and its digests.

What many agents share (policy, its sources, route, whose tokens count) is most of a document, and is written once for
all of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from regent_api.config import AgentConfig, canonical, digest_of, written
from regent_api.model import Model
from regent_api.status import Digests
from regent_operator.plan.remembered import Remembered

SHARED = ("policy", "route", "sources", "tokens")
"""Fields without a default, so that they always stand in the document."""
MOST_REMEMBERED = 1024


@dataclass(frozen=True)
class Document:
    text: str
    """Canonical JSON, byte for byte the same for equal configs."""
    digests: Digests
    """As `AgentConfig.digests` gives them."""


def document(config: AgentConfig) -> Document:
    own = config.wire(frozenset(SHARED))
    parts = {name: canonical(value) for name, value in own.items()}
    parts |= {name: _text(getattr(config, name)) for name in SHARED}
    meaning = {name: text for name, text in parts.items() if name != "sources"}
    digests = Digests(
        config=digest_of(_joined(meaning)), policy=digest_of(parts["policy"]), route=digest_of(parts["route"])
    )
    return Document(_joined(parts), digests)


def _text(part: Model | dict[str, list[str]]) -> str:
    return _texts.of(part, make=lambda: canonical(written(part) if isinstance(part, Model) else part))


_texts: Remembered[str] = Remembered(MOST_REMEMBERED)


def _joined(parts: Mapping[str, str]) -> str:
    """The canonical JSON of an object whose members are canonical JSON already."""
    return "{" + ",".join(f"{json.dumps(name)}:{parts[name]}" for name in sorted(parts)) + "}"
