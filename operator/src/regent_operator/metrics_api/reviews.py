"""May this user read this? The API server's own answer (SubjectAccessReview), remembered for ten seconds."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import SUBJECT_ACCESS_REVIEWS
from regent_operator.metrics_api.frontproxy import Identity

KEPT_SECONDS = 10.0
MOST_KEPT = 4096
Attributes = Mapping[str, str]


class Reviews:
    def __init__(self, client: ApiClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, bool]] = OrderedDict()

    async def resource(self, identity: Identity, attributes: Attributes) -> bool:
        """`attributes`: of authorization.k8s.io/v1 ResourceAttributes. Raises ApiError."""
        return await self._allowed(identity, "resourceAttributes", attributes)

    async def path(self, identity: Identity, path: str) -> bool:
        """Raises ApiError."""
        return await self._allowed(identity, "nonResourceAttributes", {"path": path, "verb": "get"})

    async def _allowed(self, identity: Identity, kind: str, attributes: Attributes) -> bool:
        key = (identity, kind, *sorted(attributes.items()))
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < KEPT_SECONDS:
            return kept[1]
        spec = {
            "user": identity.user,
            "uid": identity.uid,
            "groups": list(identity.groups),
            "extra": {name: list(values) for name, values in identity.extra},
            kind: dict(attributes),
        }
        review = {
            "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SUBJECT_ACCESS_REVIEWS.kind,
            "metadata": {},
            "spec": spec,
        }
        answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, review, gated=False)
        allowed = (answer.get("status") or {}).get("allowed") is True
        self._kept[key] = (self._clock(), allowed)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return allowed
