"""Whether callers may give the agent instructions is the policy's word."""

from pathlib import Path
from typing import Any

import pytest

from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import provider
from tests.fakes.serving import serving

INSTRUCTING: dict[str, Any] = {
    "messages": [{"role": "system", "content": "Answer in verse."}, {"role": "user", "content": "Hi"}]
}


@enforces("callers.mayInstruct")
@pytest.mark.parametrize(("opinion", "status"), [("Deny", 400), ("Allow", 200)])
async def test_system_messages_pass_only_where_the_policy_lets_callers_instruct(
    tmp_path: Path, opinion: str, status: int
) -> None:
    async with provider() as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"callers": {"mayInstruct": opinion}}
        )
        async with serving(tmp_path, document) as served:
            code, answer, _ = await served.post(INSTRUCTING)
    assert code == status
    if status == 400:
        assert answer["error"]["code"] == "instructions_not_allowed"
        assert not fake.requests
    else:
        assert "Answer in verse." in str(fake.requests[0])
