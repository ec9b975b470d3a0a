"""Whom the API server's aggregator speaks for: its client certificate's authority, its names, its headers.

They stand in a ConfigMap of kube-system and may change while we run, so it is read again and again
(https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/).
"""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import CONFIG_MAPS

log = logging.getLogger(__name__)
NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
POLL_SECONDS = 15.0
RETRY_SECONDS = 2.0


class NoFrontProxyError(Exception):
    """The cluster does not say who its aggregator is; the message says what is missing."""


@dataclass(frozen=True)
class Identity:
    """A user that the aggregator has authenticated."""

    user: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    uid: str = ""


@dataclass(frozen=True)
class FrontProxy:
    ca: str
    """PEM of the authorities that sign the aggregator's client certificate."""
    names: tuple[str, ...]
    """Common names that its certificate may have; empty: any."""
    user_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]
    uid_headers: tuple[str, ...] = ()
    """Since Kubernetes 1.32."""

    @classmethod
    def of(cls, config_map: Mapping[str, Any] | None) -> "FrontProxy":
        """Raises NoFrontProxyError."""
        data = (config_map or {}).get("data") or {}
        ca = data.get("requestheader-client-ca-file", "")
        if not ca.strip():
            raise NoFrontProxyError(f"ConfigMap {NAMESPACE}/{NAME} has no requestheader-client-ca-file")
        users = _words(data, "requestheader-username-headers")
        if not users:
            raise NoFrontProxyError(f"ConfigMap {NAMESPACE}/{NAME} has no requestheader-username-headers")
        return cls(
            ca=ca,
            names=_words(data, "requestheader-allowed-names"),
            user_headers=users,
            group_headers=_words(data, "requestheader-group-headers"),
            extra_prefixes=_words(data, "requestheader-extra-headers-prefix"),
            uid_headers=_words(data, "requestheader-uid-headers"),
        )

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client certificate, verified against `ca`, may speak for others (ssl.SSLObject.getpeercert)."""
        if not certificate:
            return False
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        return not self.names or any(name in self.names for name in names)

    def identity(self, headers: Sequence[tuple[str, str]]) -> Identity | None:
        """The user that the headers name; None: they name none.

        Whom the aggregator has authenticated is of the group that says so, also where it sends no groups: it asks for
        our discovery under its own name and none, and RBAC lets that group see it.
        """
        user = _first(headers, self.user_headers)
        if not user:
            return None
        groups = tuple(value for name, value in headers if name.lower() in self.group_headers)
        if user != ANONYMOUS and not {AUTHENTICATED, UNAUTHENTICATED}.intersection(groups):
            groups = (*groups, AUTHENTICATED)
        extra: dict[str, list[str]] = {}
        for name, value in headers:
            for prefix in self.extra_prefixes:
                if name.lower().startswith(prefix):
                    extra.setdefault(unquote(name.lower()[len(prefix) :]), []).append(value)
        extras = tuple((name, tuple(values)) for name, values in sorted(extra.items()))
        return Identity(user, groups, extras, _first(headers, self.uid_headers))


class FrontProxies:
    """Follows the ConfigMap; `changed` is awaited with each new content. `missing`: why none is known, or empty."""

    def __init__(self, client: ApiClient, changed: Callable[[FrontProxy], Awaitable[None]]) -> None:
        self.current: FrontProxy | None = None
        self.missing = "the aggregator's authority has not been read yet"
        self._client = client
        self._changed = changed

    async def run(self) -> None:
        """Until cancelled. What cannot be read now keeps its last content; what was taken away counts no more."""
        while True:
            try:
                await self.refresh()
                wait = POLL_SECONDS
            except ApiError as error:
                log.warning("ConfigMap %s/%s cannot be read: %s", NAMESPACE, NAME, error)
                wait = RETRY_SECONDS
            await asyncio.sleep(wait)

    async def refresh(self) -> None:
        """Raises ApiError."""
        found = await self._client.get(CONFIG_MAPS, NAMESPACE, NAME)
        try:
            fresh = FrontProxy.of(found)
        except NoFrontProxyError as error:
            if self.missing != str(error):
                log.warning("%s: nobody can be served", error)
            self.current, self.missing = None, str(error)
            return
        if fresh != self.current:
            await self._use(fresh)

    async def _use(self, fresh: FrontProxy) -> None:
        self.current = fresh
        try:
            await self._changed(fresh)
            self.missing = ""
        except ssl.SSLError as error:
            log.warning("the aggregator's authority is no certificate: nobody can be served: %s", error)
            self.current, self.missing = None, f"ConfigMap {NAMESPACE}/{NAME}: requestheader-client-ca-file: {error}"


def _first(headers: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """The value of the first of these headers that is there and not empty, in the order of `names`; else empty."""
    return next((value for wanted in names for name, value in headers if name.lower() == wanted and value), "")


def _words(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A JSON list of strings; names of headers in lower case, names of certificates as they stand."""
    try:
        listed = json.loads(data.get(key) or "[]")
    except ValueError:
        raise NoFrontProxyError(f"ConfigMap {NAMESPACE}/{NAME}: {key} is no JSON") from None
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise NoFrontProxyError(f"ConfigMap {NAMESPACE}/{NAME}: {key} is no list of words")
    return tuple(listed) if key == "requestheader-allowed-names" else tuple(word.lower() for word in listed)
