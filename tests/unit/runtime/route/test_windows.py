import pytest

from regent_api.config import ProviderConfig
from regent_runtime.route.windows import UNSURE, is_to_be_counted, of_input, outgrown
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs


def provider(**capabilities: object) -> ProviderConfig:
    return configs.config(configs.provider_config("p", "http://p.svc/v1", capabilities=capabilities)).route.providers[0]


@pytest.mark.parametrize(("tokens", "too_many"), [(100, False), (101, True)])
def test_the_estimate_decides_where_no_server_counts(tokens: int, too_many: bool) -> None:
    asked = provider(contextWindow=100)
    assert outgrown(asked, tokens) is too_many
    assert not is_to_be_counted(asked, tokens)


@pytest.mark.parametrize(
    ("tokens", "counted", "too_many"),
    [
        (100 // UNSURE, False, False),
        (100 // UNSURE + 1, True, False),
        (100 * UNSURE, True, False),
        (100 * UNSURE + 1, False, True),
    ],
)
def test_a_server_counts_what_the_estimate_may_be_wrong_about(tokens: int, counted: bool, too_many: bool) -> None:
    asked = provider(contextWindow=100, tokenCounter="InputTokens")
    assert is_to_be_counted(asked, tokens) is counted
    assert outgrown(asked, tokens) is too_many


def test_nothing_outgrows_a_window_that_nobody_states() -> None:
    assert not outgrown(provider(), 10**9)
    assert not is_to_be_counted(provider(tokenCounter="InputTokens"), 10**9)


def test_a_window_of_the_table_keeps_out_what_cannot_fit_and_nothing_else() -> None:
    listed = provider(listedWindow=100)
    assert not outgrown(listed, 100 * UNSURE)
    assert outgrown(listed, 100 * UNSURE + 1)
    assert not is_to_be_counted(listed, 100)


def test_a_prompt_leaves_room_for_the_answer_in_a_window_of_the_table_alone() -> None:
    config = configs.config(configs.provider_config("p", "http://p.svc/v1"), maxOutputTokens=60)
    request = ChatRequest([], False, False, None, None, {})
    assert of_input(request, config, provider(listedWindow=100)) == 40
    assert of_input(request, config, provider(listedWindow=50)) == 1
    assert of_input(request, config, provider(contextWindow=100)) == 100
    assert of_input(request, config, provider(contextWindow=100, listedWindow=50)) == 100
    assert of_input(request, config, provider()) is None
