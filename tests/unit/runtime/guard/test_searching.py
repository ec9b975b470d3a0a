"""A search finds what the module of RE2 finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.scan import compiled
from regent_runtime.guard.searching import finder, matcher

PATTERNS = [r"ab+", r"\bb", r"a?", r"c\z", r"\n|bb"]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.text("abc \n", max_size=20).map(str.encode), st.data())
def test_it_finds_what_the_module_finds(pattern: str, text: bytes, data: st.DataObject) -> None:
    made, at = compiled(pattern, is_utf8=False), data.draw(st.integers(0, len(text)))
    searched, matched = made.search(text, at), made.match(text, at)
    assert finder(made)(text, at) == (searched and searched.span())
    assert matcher(made)(text, at) == (matched and matched.span())


def test_behind_the_end_nothing_is_found() -> None:
    assert finder(compiled("a?", is_utf8=False))(b"a", 2) is None
