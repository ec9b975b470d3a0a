"""National identity numbers of 22 countries, made by their public rules and not by the detector's code.

US and GB have no check digit. Numbers that count only after the word that names them stand behind it here.
"""

import random
import string
from collections.abc import Callable

from tests.bench.digits import digits, grouped, luhn_digit


def _day(chance: random.Random) -> tuple[int, int, int]:
    return chance.randrange(1940, 2010), chance.randrange(1, 13), chance.randrange(1, 29)


def _id_us(chance: random.Random) -> str:
    area = chance.choice([each for each in range(1, 900) if each != 666])
    return f"{area:03}-{chance.randrange(1, 100):02}-{chance.randrange(1, 10000):04}"


def _id_gb(chance: random.Random) -> str:
    letters = chance.choice(["AB", "CE", "JK", "PW", "SR", "YZ"])
    return chance.choice(["{} {} {} {} {}", "{}{}{}{}{}"]).format(
        letters, *(digits(chance, 2) for _ in range(3)), chance.choice("ABCD")
    )


def _id_fr(chance: random.Random) -> str:
    year, month, _ = _day(chance)
    body = f"{chance.choice('12')}{year % 100:02}{month:02}{chance.randrange(1, 96):02}{digits(chance, 6)}"
    return grouped(body + f"{97 - int(body) % 97:02}", (1, 2, 2, 2, 3, 3, 2), chance.choice(["", " "]))


def _id_es(chance: random.Random) -> str:
    if chance.random() < 0.5:
        number = chance.randrange(10**7, 10**8)
        return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"
    lead, number = chance.randrange(3), chance.randrange(10**6, 10**7)
    return f"{'XYZ'[lead]}{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[(lead * 10**7 + number) % 23]}"


def _id_it(chance: random.Random) -> str:
    consonants = "BCDFGLMNPRST"
    year, _, day = _day(chance)
    body = (
        "".join(chance.choice(consonants) for _ in range(6))
        + f"{year % 100:02}{chance.choice('ABCDEHLMPRST')}{day:02}{chance.choice('ABCDEFGHIL')}{digits(chance, 3)}"
    )
    odd = {
        **dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)),
        **dict(
            zip(
                string.ascii_uppercase,
                (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
                strict=True,
            )
        ),
    }
    even = {
        **{digit: int(digit) for digit in string.digits},
        **{letter: at for at, letter in enumerate(string.ascii_uppercase)},
    }
    return (
        body
        + string.ascii_uppercase[sum((odd if place % 2 == 0 else even)[each] for place, each in enumerate(body)) % 26]
    )


def _id_de(chance: random.Random) -> str:
    while True:
        chosen = chance.sample(string.digits, 9)
        body = [*chosen, chance.choice(chosen)]
        chance.shuffle(body)
        if body[0] != "0":
            break
    product = 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return grouped("".join(body) + str((11 - product) % 10), (2, 3, 3, 3), chance.choice(["", " "]))


def _id_nl(chance: random.Random) -> str:
    while True:
        number = digits(chance, 9)
        if (
            number[0] != "0"
            and sum(int(each) * weight for each, weight in zip(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)) % 11
            == 0
        ):
            return f"BSN {number}"


def _id_pl(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{day:02}{digits(chance, 4)}"
    return body + str(
        -sum(int(each) * weight for each, weight in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10
    )


def _id_br(chance: random.Random) -> str:
    body = digits(chance, 9)
    for _ in range(2):
        body += str(
            sum(int(each) * weight for each, weight in zip(body, range(len(body) + 1, 1, -1), strict=True))
            * 10
            % 11
            % 10
        )
    return chance.choice([f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}", body])


def _id_se(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{year % 100:02}{month:02}{day:02}{digits(chance, 3)}"
    return f"{chance.choice([str(year // 100), ''])}{body[:6]}-{body[6:]}{luhn_digit(body)}"


def _id_fi(chance: random.Random) -> str:
    year, month, day = _day(chance)
    date, number = f"{day:02}{month:02}{year % 100:02}", f"{chance.randrange(2, 900):03}"
    return f"{date}{'A' if year >= 2000 else '-'}{number}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(date + number) % 31]}"


def _id_no(chance: random.Random) -> str:
    while True:
        year, month, day = _day(chance)
        body = f"{day:02}{month:02}{year % 100:02}{digits(chance, 3)}"
        for weights in ((3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)):
            body += str(-sum(int(each) * weight for each, weight in zip(body, weights, strict=False)) % 11)
        if len(body) == 11:
            return body


def _id_be(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{year % 100:02}{month:02}{day:02}{chance.randrange(1, 998):03}"
    check = 97 - int(("2" if year >= 2000 else "") + body) % 97
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{check:02}"


def _id_ch(chance: random.Random) -> str:
    body = "756" + digits(chance, 9)
    check = -sum(int(each) * (3 if place % 2 else 1) for place, each in enumerate(body)) % 10
    return grouped(f"{body}{check}", (3, 4, 4, 2), ".")


def _id_cn(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{chance.randrange(110000, 660000)}{year}{month:02}{day:02}{digits(chance, 3)}"
    return body + "10X98765432"[sum(int(each) * (2 ** (17 - place) % 11) for place, each in enumerate(body)) % 11]


def _weighted(text: str, weights: tuple[int, ...]) -> int:
    return sum(int(each) * weight for each, weight in zip(text, weights, strict=True))


def verhoeff_digit(body: str) -> str:
    """The check of the dihedral group of order ten, by turns and mirrors of a pentagon instead of Verhoeff's tables."""

    def both(one: int, other: int) -> int:
        turned = (one + other) % 5 if one < 5 else (one - other) % 5
        return turned + (5 if (one < 5) != (other < 5) else 0)

    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    found = 0
    for place, each in enumerate(reversed(body), start=1):
        digit = int(each)
        for _ in range(place % 8):
            digit = step[digit]
        found = both(found, digit)
    return str(next(check for check in range(10) if both(found, check) == 0))


def _id_in(chance: random.Random) -> str:
    body = chance.choice("23456789") + digits(chance, 10)
    return "Aadhaar " + grouped(body + verhoeff_digit(body), (4, 4, 4), chance.choice(["", " ", "-"]))


def _id_za(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{year % 100:02}{month:02}{day:02}{digits(chance, 4)}{chance.choice('01')}{chance.choice('89')}"
    return grouped(body + luhn_digit(body), (6, 4, 3), chance.choice(["", " "]))


def _id_tr(chance: random.Random) -> str:
    body = chance.choice("123456789") + digits(chance, 8)
    odd, even = sum(map(int, body[::2])), sum(map(int, body[1::2]))
    body += str((odd * 7 - even) % 10)
    return body + str(sum(map(int, body)) % 10)


def _id_cl(chance: random.Random) -> str:
    body = str(chance.randrange(1_000_000, 30_000_000))
    weights = (2, 3, 4, 5, 6, 7, 2, 3)[: len(body)]
    check = 11 - _weighted(body[::-1], weights) % 11
    dotted = f"{int(body):,}".replace(",", ".")
    return f"{chance.choice([body, dotted])}-{'0123456789K0'[check]}"


def _id_mx(chance: random.Random) -> str:
    year, month, day = _day(chance)
    letters = "".join(chance.choice("BCDFGLMNPRST") for _ in range(4))
    after = chance.choice("HM") + chance.choice(["DF", "JC", "NL", "OC", "YN"])
    after += "".join(chance.choice("BCDFGLMNPRST") for _ in range(3))
    body = f"{letters}{year % 100:02}{month:02}{day:02}{after}{chance.choice('A' if year >= 2000 else '0')}"
    alphabet = string.digits + "ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(each) * (18 - place) for place, each in enumerate(body))
    return body + str(-total % 10)


def _id_ca(chance: random.Random) -> str:
    body = chance.choice("1234567") + digits(chance, 7)
    return "SIN " + grouped(body + luhn_digit(body), (3, 3, 3), chance.choice(["", " ", "-"]))


def _id_au(chance: random.Random) -> str:
    while True:
        number = digits(chance, 9)
        if number[0] != "0" and _weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0:
            return "TFN " + grouped(number, (3, 3, 3), chance.choice(["", " "]))


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "US": _id_us,
    "GB": _id_gb,
    "FR": _id_fr,
    "ES": _id_es,
    "IT": _id_it,
    "DE": _id_de,
    "NL": _id_nl,
    "PL": _id_pl,
    "BR": _id_br,
    "SE": _id_se,
    "FI": _id_fi,
    "NO": _id_no,
    "BE": _id_be,
    "CH": _id_ch,
    "CN": _id_cn,
    "IN": _id_in,
    "ZA": _id_za,
    "TR": _id_tr,
    "CL": _id_cl,
    "MX": _id_mx,
    "CA": _id_ca,
    "AU": _id_au,
}
_WORDS = ("BSN ", "Aadhaar ", "SIN ", "TFN ")


def national_id(chance: random.Random, country: str | None = None) -> tuple[str, str]:
    """A number as people write it, behind its word where it needs one, and the number alone; of any country."""
    written = MAKERS[country or chance.choice(list(MAKERS))](chance)
    word = next((word for word in _WORDS if written.startswith(word)), "")
    return written, written.removeprefix(word)
