"""Sensitivity decides who sees a turn: labels only rise, and a provider below a turn's label is never asked."""

from pathlib import Path

import pytest

from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.resolver import loopback
from tests.fakes.serving import serving

LABELS = ["Public", "Internal", "Confidential", "Restricted"]


@pytest.mark.parametrize("floor", LABELS)
@enforces("models.localAtOrAbove")
async def test_confidential_turns_stay_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, floor: str) -> None:
    monkeypatch.setattr("socket.getaddrinfo", loopback)
    async with provider() as cloud, provider() as local:
        document = configs.document(
            configs.provider_config("cloud", f"http://cloud.demo.svc:{cloud.port}/v1", type="OpenAI"),
            configs.provider_config("local", local.url),
            sensitivity=floor,
        )
        async with serving(tmp_path, document) as served:
            for declared in (None, *LABELS):
                before = len(cloud.requests), len(local.requests)
                headers = {"X-Regent-Sensitivity": declared} if declared else {}
                body = {"messages": [{"role": "user", "content": "Hi"}]}
                assert (await served.post(body, headers=headers))[0] == 200
                label = max(LABELS.index(floor), LABELS.index(declared or "Public"))
                stayed = label >= LABELS.index("Confidential")
                assert (len(cloud.requests) - before[0], len(local.requests) - before[1]) == (not stayed, stayed)
