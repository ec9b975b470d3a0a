import json
from fractions import Fraction

import pytest

from regent_api.price import words
from regent_api.route import Provider
from regent_operator.plan.prices import in_force
from regent_runtime.cost.price import band, price
from regent_runtime.wire.answer import Usage
from regent_runtime.wire.chat_completions import ChatCompletions
from tests.unit.runtime.cost.invoices import INVOICES, REPORTED

LINES = [line for line in INVOICES.splitlines() if line and not line.startswith("#")]


def provider(named: str) -> Provider:
    host, model = named.split()
    return Provider.model_validate(
        {
            "name": "cloud",
            "type": "OpenAI",
            "baseURL": f"https://{host}/v1",
            "api": "ChatCompletions",
            "model": model,
            "maxSensitivity": "Public",
        }
    )


@pytest.mark.parametrize("line", LINES)
def test_an_invoice_is_reproduced_to_the_last_digit(line: str) -> None:
    named, rates, tokens, _, usd = (part.strip() for part in line.split("|"))
    of_input, output = tokens.split(";")
    prompt, cached, written = map(int, of_input.split())
    prices = in_force(provider(named))
    assert prices is not None
    applied = band(prices, prompt)
    assert [applied.input, applied.output, applied.cached_input, applied.cache_write] == rates.split()
    usage = Usage(prompt, int(output), prompt + int(output), cached_tokens=cached, cache_write_tokens=written)
    cost = price(prices, usage)
    assert cost is not None
    assert words(cost) == usd


@pytest.mark.parametrize("named", REPORTED)
def test_an_invoice_follows_from_what_the_provider_reports(named: str) -> None:
    reported = REPORTED[named]
    (usd,) = (
        line.rpartition("| ")[2]
        for line in LINES
        if line.startswith(f"{named} |") and f"| {reported['prompt_tokens']} " in line
    )
    prices, usage = in_force(provider(named)), ChatCompletions().whole(json.dumps({"usage": reported}).encode()).usage
    assert prices is not None
    assert usage is not None
    cost = price(prices, usage)
    assert cost is not None
    assert words(cost) == usd


@pytest.mark.parametrize("line", LINES)
def test_the_arithmetic_beside_an_invoice_is_right(line: str) -> None:
    _, rates, tokens, arithmetic, usd = (part.strip() for part in line.split("|"))
    products, whole = arithmetic.split(";")
    counted = Fraction(0)
    for product in products.split(" + "):
        factors, result = product.split(" = ")
        count, rate = map(Fraction, factors.split(" x "))
        assert count * rate == Fraction(result)
        assert factors.split(" x ")[1] in rates.split()
        counted += Fraction(result)
    assert counted == Fraction(whole) == Fraction(usd) * 1_000_000
    of_input, output = tokens.split(";")
    parts = sum(int(product.split(" x ")[0]) for product in products.split(" + "))
    assert parts == int(of_input.split()[0]) + int(output)


def test_there_are_sixty_of_them_and_more() -> None:
    assert len(set(LINES)) >= 60
