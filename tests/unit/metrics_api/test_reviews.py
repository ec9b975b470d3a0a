"""The API server's word: asked for each user and each thing, and anew when it is ten seconds old."""

from typing import Any

from regent_operator.metrics_api.frontproxy import Identity
from regent_operator.metrics_api.reviews import KEPT_SECONDS, Reviews
from tests.unit.engine.clock import Clock

ANN, BOB = Identity("ann"), Identity("bob")
PODS = {"group": "custom.metrics.k8s.io", "resource": "pods", "namespace": "acme", "name": "*", "verb": "get"}


class Api:
    """Lets whom it is told to let, and knows what it was asked."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[dict[str, Any]] = []

    async def create(self, _: Any, review: dict[str, Any], *, gated: bool) -> dict[str, Any]:
        assert not gated, "it is not the leader who asks"
        self.asked.append(review["spec"])
        return {"status": {"allowed": review["spec"]["user"] in self.allowed}}


async def test_a_word_is_kept_for_ten_seconds_and_no_longer() -> None:
    api, clock = Api("ann"), Clock()
    reviews = Reviews(api, clock)  # type: ignore[arg-type]
    assert await reviews.resource(ANN, PODS)
    clock.advance(KEPT_SECONDS - 0.1)
    api.allowed = ()
    assert await reviews.resource(ANN, PODS)
    assert len(api.asked) == 1
    clock.advance(0.2)
    assert not await reviews.resource(ANN, PODS)
    assert len(api.asked) == 2


async def test_it_is_about_one_user_and_one_thing_alone() -> None:
    api = Api("ann")
    reviews = Reviews(api, Clock())  # type: ignore[arg-type]
    assert await reviews.resource(ANN, PODS)
    assert not await reviews.resource(BOB, PODS)
    assert not await reviews.resource(Identity("bob", extra=(("scopes", ("all",)),)), PODS)
    assert await reviews.resource(ANN, PODS | {"namespace": "another"})
    assert await reviews.path(ANN, "/apis")
    assert len(api.asked) == 5
    assert [each["resourceAttributes"]["namespace"] for each in api.asked[:4]] == ["acme"] * 3 + ["another"]


async def test_whom_nothing_is_said_of_is_not_let() -> None:
    class Silent(Api):
        async def create(self, _: Any, review: dict[str, Any], *, gated: bool) -> dict[str, Any]:
            return {}

    assert not await Reviews(Silent()).resource(ANN, PODS)  # type: ignore[arg-type]
