"""Phone numbers: with a country's code anywhere; without one, in a country's own grouping or after a word for a phone.

`phonenumbers` (Google's libphonenumber) knows which numbers a country gives out. It is imported when a policy declares
the detector, never before.
"""

import re
from functools import cache
from types import ModuleType

from regent_runtime.guard.personal_data.separators import ONE
from regent_runtime.guard.scan import Judged, Rule

_WORDS = (
    r"(?i:phone|\btel\b|\bmobile?\b|\bcell\b|\bcall\b|\bfax\b|whatsapp|\bsms\b|\btext\b|\bdial\b|\bring\b|hotline|"
    r"telefon|\bfon\b|\bhandy|rufnummer|mobilnummer|\bm\xc3\xb3vil|tel\xc3\xa9fono|t\xc3\xa9l|portable|cellulare|"
    r"telefoon|celular|\breach\b|\bcontact\b)"
)
_GAP = (
    r"(?:[ :.#=\-*]|\b(?i:me|us|him|her|them|at|on|under|using|via|number|no|nr|is|line|unter|ist|au|al|es|der|die|"
    r"back|now|directly|nummer|num\xc3\xa9ro|n\xc3\xbamero)\b){1,16}"
)
_DIGITS = rf"[0-9](?:(?:{ONE}|[()/]){{0,3}}[0-9]){{5,16}}"
_OTHERWISE = (
    r"(?i:\b(?:serial|order|invoice|ticket|batch|contract|customer|account|ref|reference|sku|id|item|part|case|"
    r"tracking|section|isbn|version)(?:[ :#.]|\b(?:number|no|nr|id|is)\b){1,6}|[a-z0-9#/_.]-?)?"
)
"""What says that the number behind it is something else."""
_NUMBER = re.compile(rb"[0-9+(]")
_GROUP = re.compile(r"[0-9]+")
_OTHER = re.compile(r"[^0-9+()/.-]+")
_DATE = re.compile(
    r"\(?(?:(?:19|20)[0-9]{2}([-./ ])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-./ ])[0-9]{1,2}\2(?:19|20)[0-9]{2})(?![0-9])"
)
_GROUPINGS = {
    region: re.compile(shape)
    for region, shape in {
        "US": r"(?:1-)?[2-9]\d\d-[2-9]\d\d-\d{4}",
        "GB": r"0\d{2,4}-\d{3,8}(?:-\d{3,4})?",
        "DE": r"0[1-9]\d{1,4}-\d{3,9}(?:-\d{1,6}){0,3}",
        "FR": r"0[1-9](?:-\d\d){4}",
        "IT": r"0\d{1,3}-\d{5,8}|0\d{1,3}-\d{3,4}-\d{3,4}|3\d\d-\d{3}-\d{3,4}|3\d\d-\d{6,7}",
        "ES": r"[6789]\d\d(?:-\d\d){3}",
        "NL": r"0\d{1,3}-\d{6,8}|06(?:-\d\d){4}|0\d{1,2}-\d{3}-\d{2}-\d{2}|0\d\d-\d{3}-\d{4}",
        "IN": r"0?[6-9]\d{4}-\d{5}",
        "BR": r"\d\d-9?\d{4}-\d{4}",
        "AU": r"0[2-8]-\d{4}-\d{4}|04\d\d-\d{3}-\d{3}",
        "JP": r"0\d{1,3}-\d{2,4}-\d{4}",
        "CN": r"1[3-9]\d-\d{4}-\d{4}",
        "CH": r"0\d\d-\d{3}-\d\d-\d\d",
        "BE": r"0\d{2,3}-\d\d-\d\d-\d\d|0\d-\d{3}-\d\d-\d\d",
        "SE": r"0\d{1,2}-\d{2,3}-\d{2,3}(?:-\d\d)?",
        "AT": r"0\d{1,4}-\d{3,9}(?:-\d{1,6}){0,2}",
    }.items()
}
"""How a country groups a number, a dash between the groups, where no word says that it is a phone's."""
_LEAST_DIGITS, _MOST_DIGITS = 7, 15
"""E.164 allows 15; subscribers' numbers are seldom shorter than 7."""


@cache
def _library() -> ModuleType:
    import phonenumbers  # noqa: PLC0415 - heavy, and only for policies that declare it

    return phonenumbers


def prepare() -> None:
    """Import the library and the data of the countries whose groupings are known, before a turn has to wait for it."""
    for region in _GROUPINGS:
        _is_valid("0123456789", region)


def judge_international(candidate: bytes) -> Judged:
    text = _text(candidate).replace("(0)", "")
    number = f"+{text[2:]}" if text.startswith("00") else text
    return _judged(0, candidate, holds=_is_valid(number, None))


def judge_national(candidate: bytes) -> Judged:
    text = _text(candidate)
    if candidate[:1] not in b"(0123456789":
        return Judged([], len(candidate))
    shape = "-".join(_GROUP.findall(text))
    regions = [region for region, grouping in _GROUPINGS.items() if grouping.fullmatch(shape)]
    holds = not _DATE.match(text) and any(_is_valid(text, region) for region in regions)
    return _judged(0, candidate, holds=holds)


def judge_named(candidate: bytes) -> Judged:
    found = _NUMBER.search(candidate)
    start = found.start() if found else 0
    text = _text(candidate[start:])
    digits = sum(map(len, _GROUP.findall(text)))
    holds = _LEAST_DIGITS <= digits <= _MOST_DIGITS and not _DATE.match(text)
    return _judged(start, candidate, holds=holds)


def _judged(start: int, candidate: bytes, *, holds: bool) -> Judged:
    return Judged([(start, len(candidate))] if holds else [], len(candidate))


def _is_valid(number: str, region: str | None) -> bool:
    library = _library()
    try:
        return bool(library.is_valid_number(library.parse(number, region)))
    except library.NumberParseException:
        return False


def _text(candidate: bytes) -> str:
    return _OTHER.sub(" ", candidate.decode("utf-8", "replace"))


RULES = (
    Rule("Phone international", rf"(?:\+|\b00)[ ]?[1-9](?:(?:{ONE}|[()/]){{0,3}}[0-9]){{6,14}}\b", judge_international),
    Rule("Phone national", rf"{_OTHERWISE}(?:\(|\b){_DIGITS}\b", judge_national),
    Rule("Phone named", rf"{_WORDS}{_GAP}(?:\+|\()?{_DIGITS}\b", judge_named),
)
