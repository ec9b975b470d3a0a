"""Counts of real tokenizers, measured once: cl100k_base, and SmolLM2 as the extreme of a small vocabulary."""

from pathlib import Path

import pytest

from regent_runtime.limits.estimate import estimate
from regent_runtime.limits.size import check_input
from regent_runtime.refusals import Refused
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

TEXTS = {
    "The operator turns each agent into a Deployment, a Service and a NetworkPolicy, and says Ready only when every pod enforces the policy.": (
        28,
        29,
    ),
    "def estimate(text: str) -> int:\n    raw = text.encode()\n    return len(raw) // 4\n\n\nclass Turn:\n    def __init__(self) -> None:\n        self.began = time.monotonic()\n": (
        47,
        53,
    ),
    '{"id": 48213, "name": "tulip", "price": 12.95, "tags": ["red", "spring"], "stock": {"berlin": 40, "paris": 0}}': (
        49,
        55,
    ),
    "Die Betreiberin legt fest, welche Modelle ein Agent verwenden darf und wohin vertrauliche Daten gehen.": (27, 35),
    "Оператор проверяет политику и сообщает о готовности, когда каждый экземпляр её соблюдает.": (39, 69),
    "操作者检查策略，只有当每个实例都执行该策略时才报告就绪状态。": (33, 57),
    "2024-11-25 21:47:53,104 17.37 18.02 15.88 99120 4471 0.003 12.5": (40, 63),
}


NAMES = ("English", "Python", "JSON", "German", "Russian", "Chinese", "a line of a log")


@pytest.mark.parametrize(("name", "text"), list(zip(NAMES, TEXTS, strict=True)))
def test_the_reference_tells_the_error_of_the_estimate(name: str, text: str) -> None:
    made, (cl100k, smollm2) = estimate(text), TEXTS[text]
    row = f"| {name} | {made} | {cl100k} ({made / cl100k:.2f}) | {smollm2} ({made / smollm2:.2f}) |"
    assert row in Path("docs/reference/tokens.md").read_text().splitlines()


def test_nothing_is_no_token() -> None:
    assert estimate("") == 0


def test_more_text_is_never_fewer_tokens() -> None:
    text = "Ein Satz, 12 Zahlen {} 漢字 🌍\n"
    counts = [estimate(text * times) for times in range(20)]
    assert counts == sorted(counts)


def request(*texts: str) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text} for text in texts], False, False, None, None, {})


def test_instructions_and_every_message_count() -> None:
    config = configs.config(instructions="word " * 100)
    assert check_input(request("word " * 100, "word " * 100), config) >= 300


def test_beyond_the_cap_is_refused() -> None:
    config = configs.config(policy={"size": {"maxInputTokens": 100}})
    with pytest.raises(Refused) as refused:
        check_input(request("word " * 200), config)
    assert refused.value.refusal.code == "input_too_long"
