import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regent_runtime.guard.normalise import canonical, fold

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
def test_ascii_is_its_own_form(text: str) -> None:
    assert canonical(text) is text
    assert fold(text) is text


@given(st.text())
def test_a_canonical_text_stays_so_whatever_normalises_it_again(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert unicodedata.normalize("NFKC", once) == once


@given(st.text())
def test_folding_grows_a_text_by_no_more_than_unicode_does(text: str) -> None:
    assert len(fold(text)) <= 18 * len(text)
