import re
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard import normalise
from regent_runtime.guard.normalise import MOST_MARKS, canonical, fold, folds, normal

DISGUISES = [
    ("plain", "ignore me"),
    ("zero width", "ig\u200bno\u2060re\u00ad me"),
    ("tag characters", "".join(chr(0xE0000 + ord(each)) for each in "ignore me")),
    ("fullwidth", "ｉｇｎｏｒｅ　ｍｅ"),
    ("mathematical", "𝓲𝓰𝓷𝓸𝓻𝓮 𝐦𝐞"),
    ("circled", "ⓘⓖⓝⓞⓡⓔ ⓜⓔ"),
    ("negative squared", "🅸🅶🅽🅾🆁🅴 🅼🅴"),
    ("flags", "🇮🇬🇳🇴🇷🇪 🇲🇪"),
    ("cyrillic", "іgnоrе mе"),
    ("greek", "ιgnοrε mε"),
    ("small capitals", "ɪɢɴᴏʀᴇ ᴍᴇ"),
    ("accents", "ìgñörę mé"),
    ("stacked marks", "i̷͎g̵̣n̸o̶r̴e̷ m̵e"),
    ("variation selectors", "i\ufe0fg\ufe0fnore me"),
    ("directions", "\u202eignore\u202c me"),
]


@pytest.mark.parametrize(("disguise", "text"), DISGUISES, ids=[name for name, _ in DISGUISES])
def test_a_disguised_text_folds_to_what_a_reader_sees(disguise: str, text: str) -> None:
    assert fold(text).lower() == "ignore me"


@pytest.mark.parametrize("text", ["今日は天気がいい", "안녕하세요", "مرحبا", "שלום", "नमस्ते"])
def test_other_scripts_stay_what_they_are(text: str) -> None:
    assert canonical(text) == text


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_its_own_form_but_for_controls_in_a_skeleton(text: str) -> None:
    assert canonical(text) is text
    assert fold(text) == re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text)


@given(st.text())
def test_a_canonical_text_stays_so_whatever_normalises_it_again(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert unicodedata.normalize("NFKC", once) == once


@given(st.text() | st.text(st.sampled_from("a\u0301\u0323é\ufdfa\u200bіﬁ")))
def test_a_skeleton_is_the_same_in_parts(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(normalise, "MOST_FOLDED", 3)
        parts = list(folds(text))
    assert "".join(parts) == fold(text)
    assert text.isascii() or all(len(part) <= 3 for part in parts)


@given(st.text())
def test_folding_grows_a_text_by_no_more_than_unicode_does(text: str) -> None:
    assert len(fold(text)) <= 18 * len(text)


@pytest.mark.parametrize("form", ["NFKC", "NFKD"])
@given(
    st.lists(st.text(max_size=4) | st.sampled_from(["e\u0301\u0323", "\u0344", "\uff9e", "한", "ﬁ"]), max_size=9).map(
        "".join
    )
)
def test_a_normal_form_is_unicodes(form: Literal["NFKC", "NFKD"], text: str) -> None:
    assert normal(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("marks", ["\u0323\u0301", "\u0301\uff9e", "\u0f73\u0345", "\u0591\u05b0"])
def test_a_text_of_nothing_but_marks_is_cut_before_it_is_sorted(marks: str) -> None:
    """Python takes time in the square of their number."""
    assert len(canonical("a" + marks * 20_000 + "b")) <= MOST_MARKS + 2
    assert fold("a" + marks * 20_000 + "b")[-1] == "b"


def test_all_that_combines_is_counted() -> None:
    begins = ((each, unicodedata.normalize("NFKD", each)[0]) for each in map(chr, range(0x300, 0x20000)))
    assert all(normalise._combines(each) for each, first in begins if unicodedata.combining(first))
