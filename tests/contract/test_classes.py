"""What the class of a turn's data lets a model see, through the official client: forbidden, and local only."""

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import Provider, provider
from tests.fakes.resolver import loopback
from tests.fakes.serving import Served, serving

MESSAGES = [{"role": "user", "content": "The plan is secret."}]


def document(cloud: Provider, local: Provider, **classes: Any) -> dict[str, Any]:
    """A rule that prefers a cloud; no floor for local models but the classes'."""
    return configs.document(
        configs.provider_config("cloud", f"http://cloud.demo.svc:{cloud.port}/v1", type="OpenAI"),
        configs.provider_config("local", local.url),
        policy={"models": {"localAtOrAbove": "Restricted"}, "data": {"classes": classes}},
    )


async def ask(served: Served, label: str, **more: Any) -> Any:
    async with served.sdk() as client:
        return await client.chat.completions.create(
            model="any", messages=MESSAGES, extra_headers={"X-Regent-Sensitivity": label}, **more
        )


@enforces("data.classes.*.aiProcessing")
@pytest.mark.parametrize("stream", [False, True])
async def test_no_model_is_asked_about_forbidden_data(tmp_path: Path, stream: bool) -> None:
    async with (
        provider() as cloud,
        provider() as local,
        serving(tmp_path, document(cloud, local, Confidential={"aiProcessing": ["Deny"]})) as served,
    ):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await ask(served, "Confidential", stream=stream)
        assert refused.value.code == "data_class_forbidden"
        assert cloud.connections + local.connections == 0
        decided = [(each.action, each.field) for each in served.runtime.records[-1].decisions]
        assert decided[-2:] == [("Raise", ""), ("Deny", "data.classes.Confidential.aiProcessing")]
        await ask(served, "Internal")


@enforces("data.classes.*.aiProcessing")
async def test_not_a_byte_of_a_local_only_turn_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", loopback)
    async with (
        provider() as cloud,
        provider() as local,
        serving(tmp_path, document(cloud, local, Confidential={"aiProcessing": ["LocalOnly"]})) as served,
    ):
        for stream in (False, True):
            await ask(served, "Confidential", stream=stream)
        assert (cloud.connections, len(local.requests)) == (0, 2)
        await ask(served, "Internal")
        assert (len(cloud.requests), len(local.requests)) == (1, 2)


@enforces("data.classes.*.aiProcessing")
async def test_local_only_data_has_no_fallback_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", loopback)
    async with provider() as cloud:
        only = configs.document(
            configs.provider_config("cloud", f"http://cloud.demo.svc:{cloud.port}/v1", type="OpenAI"),
            policy={"data": {"classes": {"Internal": {"aiProcessing": ["LocalOnly"]}}}},
        )
        async with serving(tmp_path, only) as served:
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await ask(served, "Internal")
            assert refused.value.code == "no_provider_allowed"
            assert cloud.connections == 0
