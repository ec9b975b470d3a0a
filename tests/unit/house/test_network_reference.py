"""docs/reference/network.md lists which addresses no outside host has, as both walls read them."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from regent_api.addresses import NEVER, NOT_PUBLIC

TEXT = Path("docs/reference/network.md").read_text()


@pytest.mark.parametrize(("head", "table"), [("never", NEVER), ("not public", NOT_PUBLIC)])
def test_the_page_lists_the_table(head: str, table: Mapping[str, str]) -> None:
    found = re.search(rf"^\| {head} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found
    assert found[1].splitlines() == [f"| `{cidr}` | {words} |" for cidr, words in table.items()]
