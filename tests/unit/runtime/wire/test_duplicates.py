import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.refusals import Refused
from regent_runtime.wire.duplicates import refuse_duplicates

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(documents, st.booleans())
def test_a_document_without_duplicates_passes(document: Any, ascii_only: bool) -> None:
    refuse_duplicates(json.dumps(document, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":[{"b":{"a":1 , "a"\n:2}}]}',
        b'{"\\":":1,"\\":":2}',
        b'{"":1,"":1}',
    ],
)
def test_a_key_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        refuse_duplicates(body)
    assert refused.value.refusal.code == "duplicate_field"


def test_what_looks_like_a_key_within_a_string_is_none() -> None:
    refuse_duplicates(json.dumps({"a": '{"a":1,"a":2}', "b": '\\":', "c": "\\"}).encode())
