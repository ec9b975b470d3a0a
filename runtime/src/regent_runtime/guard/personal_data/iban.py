"""IBANs (ISO 13616): the length of the country (registry release 99), and MOD 97-10."""

import re

from regent_runtime.guard.personal_data.checksums import mod_97
from regent_runtime.guard.personal_data.separators import ONE, groups, squeezed
from regent_runtime.guard.scan import Judged, Rule

LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
_BEGIN = re.compile(rb"\b[A-Za-z]{2}[0-9]{2}")


def judge(candidate: bytes) -> Judged:
    """An IBAN where the candidate begins; the text behind it is looked at next, and so are other beginnings within."""
    length = LENGTHS.get(candidate[:2].decode("ascii").upper())
    end = _end(candidate, length) if length else None
    if end is not None and mod_97(squeezed(candidate[4:end] + candidate[:4])) == 1:
        return Judged([(0, end)], end)
    other = _BEGIN.search(candidate, 1)
    return Judged([], other.start() if other else len(candidate))


def _end(candidate: bytes, length: int) -> int | None:
    """Where a run of letters and digits of that length ends, if it ends between two groups."""
    counted = 0
    for start, end in groups(candidate):
        counted += end - start
        if counted >= length:
            return end if counted == length else None
    return None


RULES = (Rule("IBAN", rf"\b[A-Za-z]{{2}}[0-9]{{2}}(?:{ONE}?[A-Za-z0-9]){{11,31}}", judge),)
