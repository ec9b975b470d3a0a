from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.states import PodWorld, World, redis_world


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that others use too a Redis is silent at times; what is given up may have happened nevertheless."""
    monkeypatch.setattr("regent_runtime.state.link.ANSWER_SECONDS", 60.0)


@pytest.fixture(params=["pod", "redis"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """The pod's own state, and that of a real Redis."""
    if request.param == "pod":
        yield PodWorld()
    else:
        async with redis_world(tmp_path) as made:
            yield made
