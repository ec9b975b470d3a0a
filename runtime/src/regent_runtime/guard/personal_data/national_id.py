"""National identity and tax numbers of persons, each by its country's own rules.

A number whose check digit leaves one in ten of all numbers valid, or that has none, counts only in its official
grouping or after the word that names it: otherwise every tenth order number would be somebody's.
"""

from collections.abc import Callable

from regent_runtime.guard.personal_data.checksums import is_day, iso_7064_mod_11_10, luhn, verhoeff, weighted
from regent_runtime.guard.personal_data.separators import squeezed
from regent_runtime.guard.scan import Judged, Rule

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_CHECKS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CURP_DIGITS = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_FISCALE_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10,
    22, 25, 24, 23), strict=True))  # fmt: skip


def _us(text: str) -> bool:
    """Social Security number: no check digit, but areas, groups and serials that are never given out."""
    area, group, serial = text[:3], text[3:5], text[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def _gb(text: str) -> bool:
    """National Insurance number."""
    return text[:2].upper() not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def _fr(text: str) -> bool:
    """NIR: the key is 97 less the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    number = text[:13].upper().replace("2A", "19").replace("2B", "18")
    return number.isdigit() and int(text[13:]) == 97 - int(number) % 97


def _es(text: str) -> bool:
    """DNI, and NIE with X, Y or Z in front: a letter by the number modulo 23."""
    number = text[:-1].upper().replace("X", "0").replace("Y", "1").replace("Z", "2")
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1].upper()


def _it(text: str) -> bool:
    """Codice fiscale."""
    upper = text.upper()
    odd = sum(_FISCALE_ODD[character] for character in upper[:15:2])
    even = sum(int(character, 36) % 10 if character.isdigit() else ord(character) - 65 for character in upper[1:15:2])
    return chr(65 + (odd + even) % 26) == upper[15]


def _de(text: str) -> bool:
    """Steuer-ID: among the first ten digits exactly one stands two or three times."""
    counts = sorted((text[:10].count(digit) for digit in set(text[:10])), reverse=True)
    return text[0] != "0" and counts[0] in {2, 3} and counts[1] == 1 and iso_7064_mod_11_10(text)


def _nl(text: str) -> bool:
    """BSN: the eleven test."""
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _pl(text: str) -> bool:
    """PESEL: the century is in the month."""
    year, month, day = int(text[:2]), int(text[2:4]) % 20, int(text[4:6])
    check = (10 - weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10
    return is_day(year, month, day) and check == int(text[10])


def _br(text: str) -> bool:
    """CPF: two check digits modulo 11."""
    if len(set(text)) == 1:
        return False
    first = weighted(text[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(text[:10], range(11, 1, -1)) * 10 % 11 % 10
    return text[9:] == f"{first}{second}"


def _in(text: str) -> bool:
    """Aadhaar."""
    return text[0] not in "01" and verhoeff(text)


def _se(text: str) -> bool:
    """Personnummer: a date (from 61 on the day of a coordination number) and Luhn."""
    short = text[-10:]
    return is_day(int(short[:2]), int(short[2:4]), int(short[4:6]) % 60) and luhn(short)


def _fi(text: str) -> bool:
    """Henkilötunnus."""
    date, number, check = text[:6], text[-4:-1], text[-1].upper()
    is_date = is_day(int(date[4:]), int(date[2:4]), int(date[:2]))
    return is_date and _HETU_CHECKS[int(date + number) % 31] == check


def _no(text: str) -> bool:
    """Fødselsnummer (a D-number's day has 40 added): two check digits modulo 11."""
    day, month, year = int(text[:2]) % 40, int(text[2:4]), int(text[4:6])
    first = (11 - weighted(text[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11) % 11
    second = (11 - weighted(text[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11
    return is_day(year, month, day) and text[9:] == f"{first}{second}"


def _be(text: str) -> bool:
    """Rijksregisternummer: 97 less the number modulo 97, with a 2 in front for those born from 2000 on."""
    number, check = text[:9], int(text[9:])
    is_checked = check in {97 - int(number) % 97, 97 - int("2" + number) % 97}
    return int(text[2:4]) <= 12 and int(text[4:6]) <= 31 and is_checked


def _ch(text: str) -> bool:
    """AHV number: EAN-13 with 756 in front."""
    return (10 - weighted(text[:12], (1, 3) * 6) % 10) % 10 == int(text[12])


def _cn(text: str) -> bool:
    """Resident identity: GB 11643."""
    remainder = weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    is_date = is_day(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    return is_date and "10X98765432"[remainder] == text[17].upper()


def _za(text: str) -> bool:
    """South Africa: a date, a citizenship of 0 to 2, Luhn."""
    is_date = is_day(int(text[:2]), int(text[2:4]), int(text[4:6]))
    return is_date and text[10] in "012" and text[11] in "89" and luhn(text)


def _tr(text: str) -> bool:
    """Turkish identity number."""
    digits = [int(character) for character in text]
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and digits[9] == tenth and digits[10] == sum(digits[:10]) % 10


def _cl(text: str) -> bool:
    """RUT."""
    remainder = weighted(text[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return "0K987654321"[remainder] == text[-1].upper()


def _mx(text: str) -> bool:
    """CURP."""
    upper = text.upper()
    total = sum(_CURP_DIGITS.index(character) * (18 - index) for index, character in enumerate(upper[:17]))
    is_date = is_day(int(upper[4:6]), int(upper[6:8]), int(upper[8:10]))
    return is_date and (10 - total % 10) % 10 == int(upper[17])


def _au(text: str) -> bool:
    """Tax file number."""
    return weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _rule(country: str, pattern: str, holds: Callable[[str], bool], *, digits: int = 0) -> Rule:
    """`digits`: how many letters and digits at the candidate's end are the number, where words stand before it."""

    def judge(candidate: bytes) -> Judged:
        start = 0
        if digits:
            start, counted = len(candidate), 0
            while counted < digits:
                start -= 1
                counted += candidate[start : start + 1].isalnum()
        kept = [(start, len(candidate))] if holds(squeezed(candidate[start:])) else []
        return Judged(kept, len(candidate))

    return Rule(f"NationalID {country}", pattern, judge)


_GAP = r"[^0-9A-Za-z\n]{0,3}(?:(?i:number|no\.?|nr\.?|is|ist|:)[^0-9A-Za-z\n]{0,3}){0,2}"
"""Between the word that names a number and the number."""

RULES = (
    _rule("US", r"\b[0-9]{3}([- ])[0-9]{2}[- ][0-9]{4}\b", _us),
    _rule("US", rf"(?i:\bssn|social security){_GAP}[0-9]{{9}}\b", _us, digits=9),
    _rule("GB", r"(?i:\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b)", _gb),
    _rule(
        "FR",
        r"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b",
        _fr,
    ),
    _rule("ES", r"(?i:\b(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3}|[XYZ][ \-]?[0-9]{7})[ \-]?[A-HJ-NP-TV-Z]\b)", _es),
    _rule("IT", r"(?i:\b[A-Z]{6} ?[0-9]{2} ?[A-EHLMPR-T] ?[0-9]{2} ?[A-Z][0-9]{3}[A-Z]\b)", _it),
    _rule("DE", r"\b[1-9][0-9](?: ?[0-9]{3}){3}\b", _de),
    _rule("NL", rf"(?i:\bbsn|burgerservicenummer){_GAP}[0-9]{{4}}[. ]?[0-9]{{2}}[. ]?[0-9]{{3}}\b", _nl, digits=9),
    _rule("PL", r"\b[0-9]{11}\b", _pl),
    _rule("BR", r"\b[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}\b", _br),
    _rule("IN", rf"(?i:\baadha?ar){_GAP}[0-9]{{4}}[ \-]?[0-9]{{4}}[ \-]?[0-9]{{4}}\b", _in, digits=12),
    _rule("SE", r"\b(?:19|20)?[0-9]{6}[-+][0-9]{4}\b", _se),
    _rule("FI", r"\b[0-9]{6}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]\b", _fi),
    _rule("NO", r"\b[0-9]{6} ?[0-9]{5}\b", _no),
    _rule("BE", r"\b[0-9]{2}\.?[0-9]{2}\.?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}\b", _be),
    _rule("CH", r"\b756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}\b", _ch),
    _rule("CN", r"\b[1-8][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]\b", _cn),
    _rule("ZA", r"\b[0-9]{6} ?[0-9]{4} ?[0-9]{3}\b", _za),
    _rule("TR", r"\b[1-9][0-9]{10}\b", _tr),
    _rule("CL", r"\b[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-[0-9Kk]\b", _cl),
    _rule("MX", r"(?i:\b[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]\b)", _mx),
    _rule("CA", rf"(?i:\bsin\b|social insurance){_GAP}[0-9]{{3}}[- ]?[0-9]{{3}}[- ]?[0-9]{{3}}\b", luhn, digits=9),
    _rule("AU", rf"(?i:\btfn|tax file){_GAP}[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}\b", _au, digits=9),
)
