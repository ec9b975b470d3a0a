"""The key sets that policies name: found in ConfigMaps, cut down to their public members, and put into the opinions.

A policy whose key set is missing or no key set does not take part as if it stated no issuer: it is invalid until the
set is there, and agents keep what they have.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from regent_api.objects import AgentPolicy, Invalid
from regent_api.policy import AgentPolicySpec, KeySet, OidcGrant
from regent_operator.plan.acceptance import Rejection
from regent_operator.plan.keysets import KeySetError, public_key_set
from regent_operator.plan.lattice import Clause, Stated, clause
from regent_operator.plan.reading import Reading
from regent_operator.plan.remembered import Remembered

PATH = "callers.oidc"

ConfigMapKey = tuple[str, str, str]
"""Namespace, name, key."""


def key_sets_of(policies: Iterable[AgentPolicy | Invalid]) -> frozenset[ConfigMapKey]:
    """The ConfigMap keys that hold key sets of some policies."""
    valid = (policy for policy in policies if not isinstance(policy, Invalid))
    return frozenset(key for policy in valid for _, key in _references(policy.metadata.namespace, policy.spec))


def resolved(reading: Reading, texts: Mapping[ConfigMapKey, str | None]) -> Reading:
    """The reading with every key set inline and canonical; the same one for the same texts.

    `texts`: what the keys hold; None, or absent: no such ConfigMap or key. Of a set that cannot be used, `error` tells.
    """
    if reading.error is not None or PATH not in reading.opinions:
        return reading
    held = tuple(texts.get(key) for _, key in _references(reading.metadata.namespace, reading.spec))
    digests = tuple(None if text is None else hashlib.sha256(text.encode()).digest() for text in held)
    return _known.of(reading, also=digests, make=lambda: _resolved(reading, held))


_known: Remembered[Reading] = Remembered()
"""By what the texts come to: a ConfigMap may hold much beside the keys."""


def _resolved(reading: Reading, texts: tuple[str | None, ...]) -> Reading:
    references = _references(reading.metadata.namespace, reading.spec)
    found = dict(zip((index for index, _ in references), texts, strict=True))
    grants = []
    for index, grant in enumerate(_grants(reading.spec)):
        try:
            grants.append(_inline(grant, found.get(index)))
        except KeySetError as error:
            return replace(reading, rejection=Rejection(f"spec.{PATH}[{index}].jwks{_where(grant)} {error}"))
    lists: tuple[Clause, ...] = (clause(grants),)
    stated = Stated(lists, reading.opinions[PATH].sources)
    return replace(reading, opinions={**reading.opinions, PATH: stated})


def _inline(grant: OidcGrant, found: str | None) -> OidcGrant:
    text = grant.jwks.inline if grant.jwks.config_map_key_ref is None else found
    if text is None:
        raise KeySetError("does not exist; create it with the issuer's key set")
    return grant.model_copy(update={"jwks": KeySet(inline=public_key_set(text))})


def _where(grant: OidcGrant) -> str:
    reference = grant.jwks.config_map_key_ref
    return f": key {reference.key} of ConfigMap {reference.name}" if reference else ".inline:"


def _grants(spec: AgentPolicySpec) -> list[OidcGrant]:
    return (spec.callers and spec.callers.oidc) or []


def _references(namespace: str, spec: AgentPolicySpec) -> Iterator[tuple[int, ConfigMapKey]]:
    for index, grant in enumerate(_grants(spec)):
        reference = grant.jwks.config_map_key_ref
        if reference is not None:
            yield index, (namespace, reference.name, reference.key)
