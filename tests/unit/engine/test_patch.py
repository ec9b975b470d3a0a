import hypothesis.strategies as st
from hypothesis import given

from regent_operator.engine.patch import merge_patch

LEAF = st.integers(0, 2) | st.booleans() | st.text(max_size=2) | st.lists(st.integers(0, 2), max_size=2)
OBJECTS = st.dictionaries(
    st.sampled_from("abc"), st.recursive(LEAF, lambda x: st.dictionaries(st.sampled_from("abc"), x))
)


def apply(target: object, patch: object) -> object:
    """RFC 7396, as its pseudocode says it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@given(OBJECTS, OBJECTS)
def test_the_patch_turns_one_into_the_other(live: dict[str, object], wanted: dict[str, object]) -> None:
    assert apply(live, merge_patch(live, wanted)) == wanted


@given(OBJECTS)
def test_equal_objects_need_none(live: dict[str, object]) -> None:
    assert merge_patch(live, live) == {}


def test_it_names_what_differs_and_nothing_else() -> None:
    live = {"a": 1, "b": {"x": 1, "y": 2}, "gone": True}
    assert merge_patch(live, {"a": 1, "b": {"x": 1, "y": 3}}) == {"b": {"y": 3}, "gone": None}
