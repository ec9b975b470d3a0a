"""Sensitivity decides who sees a turn: labels only rise, and a provider below a turn's label is never asked."""

import pytest

from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.resolver import loopback
from tests.fakes.serving import serving

LABELS = ["Public", "Internal", "Confidential", "Restricted"]


@pytest.mark.parametrize("floor", LABELS)
@pytest.mark.parametrize("declared", [None, *LABELS])
async def test_confidential_turns_stay_local(tmp_path, monkeypatch, floor, declared):
    monkeypatch.setattr("socket.getaddrinfo", loopback)
    async with provider() as cloud, provider() as local:
        document = configs.document(
            configs.provider_config("cloud", f"http://cloud.demo.svc:{cloud.port}/v1", type="OpenAI"),
            configs.provider_config("local", local.url),
            sensitivity=floor,
        )
        async with serving(tmp_path, document) as served:
            headers = {"X-Regent-Sensitivity": declared} if declared else {}
            status, answer, _ = await served.post({"messages": [{"role": "user", "content": "Hi"}]}, headers=headers)
            assert status == 200
            label = max(LABELS.index(floor), LABELS.index(declared or "Public"))
            assert (len(cloud.requests), len(local.requests)) == ((1, 0) if label < 2 else (0, 1))
