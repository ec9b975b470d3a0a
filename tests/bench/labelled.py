"""Sentences that hold personal data, with where they stand, and sentences that only look as if they did.

Made from a seed, by the numbers' own public rules and not by the detectors' code: what is measured against itself
measures nothing.
"""

import ipaddress
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

FIRST = [
    "anna",
    "jörg",
    "maria",
    "li.wei",
    "o'brien",
    "sven",
    "fatima",
    "john_smith",
    "j.p",
    "zoë",
    "kim",
    "raj",
    "ana-lucia",
]
HOSTS = ["example", "mail", "acme-corp", "uni", "post", "team7", "163", "gmx", "müller-bau", "x"]
DOMAINS = ["com", "de", "co.uk", "org", "io", "com.br", "museum", "fr", "ai", "info"]
AROUND = [
    "Please use {}.",
    "We found {} in the file.",
    "{} is what the customer gave us",
    "The record says: {}, and it was updated yesterday.",
    "({})",
    "Thanks! {}\nBest regards",
    "- {}\n- nothing else",
    "| name | {} |",
    'The value is "{}", as agreed.',
    "Sicher: {} gehört dazu.",
    "客户的信息是 {} 。",
    "Voilà: {} ; merci.",
]
BRANDS = [
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("36", 14),
    ("3530", 16),
    ("62", 16),
]
REGIONS = [
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "IN",
    "BR",
    "AU",
    "JP",
    "CN",
    "CH",
    "AT",
    "BE",
    "PL",
    "SE",
    "CA",
    "MX",
    "ZA",
    "NO",
    "DK",
    "FI",
    "PT",
    "IE",
    "TR",
    "KR",
    "SG",
    "AE",
    "NG",
]
PHONE_WORDS = [
    "Call me at {}.",
    "Tel. {}",
    "phone: {}",
    "Mobile {} please",
    "Reach us on {}",
    "Telefon: {}",
    "Tél. {}",
    "WhatsApp {}",
    "Fax {}",
    "My cell is {}",
]


@dataclass(frozen=True)
class Labelled:
    detector: str
    text: str
    value: str


def labelled(seed: int, each: int) -> list[Labelled]:
    """`each` sentences of every detector."""
    chance = random.Random(seed)
    made = []
    for detector, value in MAKERS.items():
        for _ in range(each):
            text, inner = value(chance)
            made.append(Labelled(detector, text, inner))
    return made


def decoys(seed: int, count: int) -> list[str]:
    """Sentences with numbers that are nobody's."""
    chance = random.Random(seed)
    return [chance.choice(DECOYS)(chance) for _ in range(count)]


def _placed(chance: random.Random, value: str) -> tuple[str, str]:
    return chance.choice(AROUND).format(value), value


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice(string.digits) for _ in range(count))


def _email(chance: random.Random) -> tuple[str, str]:
    local = chance.choice(FIRST) + chance.choice(["", "", "+news", str(chance.randrange(100))])
    return _placed(chance, f"{local}@{chance.choice(HOSTS)}{chance.choice(['', '.mail'])}.{chance.choice(DOMAINS)}")


def _luhn_digit(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def _card(chance: random.Random) -> tuple[str, str]:
    prefix, length = chance.choice(BRANDS)
    body = prefix + _digits(chance, length - len(prefix) - 1)
    number = body + _luhn_digit(body)
    separator = chance.choice(["", " ", "-", "\u00a0"])
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4, 4))
    return _placed(chance, _grouped(number, sizes, separator))


def _grouped(text: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return separator.join(part for part in parts if part)


IBANS = {
    "DE": "18",
    "GB": "4a14",
    "FR": "20a1n2",
    "ES": "20",
    "NL": "4a10",
    "IT": "1a22",
    "BE": "12",
    "CH": "17",
    "AT": "16",
    "PL": "24",
    "SE": "20",
    "NO": "11",
    "MT": "4a5n18",
    "SA": "20",
    "RO": "4a16",
}


def _iban(chance: random.Random) -> tuple[str, str]:
    country, shape = chance.choice(list(IBANS.items()))
    body, number = "", ""
    for character in shape + "n":
        if character.isdigit():
            number += character
        elif number:
            letters = string.ascii_uppercase if character == "a" else string.digits
            body += "".join(chance.choice(letters) for _ in range(int(number)))
            number = ""
    check = 98 - int("".join(str(int(each, 36)) for each in body + country + "00")) % 97
    iban = f"{country}{check:02}{body}"
    separator = chance.choice(["", " ", " ", "-"])
    return _placed(chance, separator.join(iban[at : at + 4] for at in range(0, len(iban), 4)))


def _ip(chance: random.Random) -> tuple[str, str]:
    while True:
        if chance.random() < 0.6:
            address = (
                f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
            )
        else:
            address = str(ipaddress.IPv6Address((0x2 << 124) | chance.getrandbits(124)))
            if chance.random() < 0.5:
                address = str(ipaddress.IPv6Address((0x20010DB8 << 96) | chance.getrandbits(20)))
        if not address.startswith("127."):
            return _placed(chance, address)


def _day(chance: random.Random) -> tuple[int, int, int]:
    return chance.randrange(1940, 2010), chance.randrange(1, 13), chance.randrange(1, 29)


def _id_us(chance: random.Random) -> str:
    area = chance.choice([each for each in range(1, 900) if each != 666])
    return f"{area:03}-{chance.randrange(1, 100):02}-{chance.randrange(1, 10000):04}"


def _id_gb(chance: random.Random) -> str:
    letters = chance.choice(["AB", "CE", "JK", "PW", "SR", "YZ"])
    return chance.choice(["{} {} {} {} {}", "{}{}{}{}{}"]).format(
        letters, *(_digits(chance, 2) for _ in range(3)), chance.choice("ABCD")
    )


def _id_fr(chance: random.Random) -> str:
    year, month, _ = _day(chance)
    body = f"{chance.choice('12')}{year % 100:02}{month:02}{chance.randrange(1, 96):02}{_digits(chance, 6)}"
    return _grouped(body + f"{97 - int(body) % 97:02}", (1, 2, 2, 2, 3, 3, 2), chance.choice(["", " "]))


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
        + f"{year % 100:02}{chance.choice('ABCDEHLMPRST')}{day:02}{chance.choice('ABCDEFGHIL')}{_digits(chance, 3)}"
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
    return _grouped("".join(body) + str((11 - product) % 10), (2, 3, 3, 3), chance.choice(["", " "]))


def _id_nl(chance: random.Random) -> str:
    while True:
        number = _digits(chance, 9)
        if (
            number[0] != "0"
            and sum(int(each) * weight for each, weight in zip(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)) % 11
            == 0
        ):
            return f"BSN {number}"


def _id_pl(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{day:02}{_digits(chance, 4)}"
    return body + str(
        -sum(int(each) * weight for each, weight in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10
    )


def _id_br(chance: random.Random) -> str:
    body = _digits(chance, 9)
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
    body = f"{year % 100:02}{month:02}{day:02}{_digits(chance, 3)}"
    return f"{chance.choice([str(year // 100), ''])}{body[:6]}-{body[6:]}{_luhn_digit(body)}"


def _id_fi(chance: random.Random) -> str:
    year, month, day = _day(chance)
    date, number = f"{day:02}{month:02}{year % 100:02}", f"{chance.randrange(2, 900):03}"
    return f"{date}{'A' if year >= 2000 else '-'}{number}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(date + number) % 31]}"


def _id_no(chance: random.Random) -> str:
    while True:
        year, month, day = _day(chance)
        body = f"{day:02}{month:02}{year % 100:02}{_digits(chance, 3)}"
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
    body = "756" + _digits(chance, 9)
    check = -sum(int(each) * (3 if place % 2 else 1) for place, each in enumerate(body)) % 10
    return _grouped(f"{body}{check}", (3, 4, 4, 2), ".")


def _id_cn(chance: random.Random) -> str:
    year, month, day = _day(chance)
    body = f"{chance.randrange(110000, 660000)}{year}{month:02}{day:02}{_digits(chance, 3)}"
    return body + "10X98765432"[sum(int(each) * (2 ** (17 - place) % 11) for place, each in enumerate(body)) % 11]


IDS: list[Callable[[random.Random], str]] = [_id_us, _id_gb, _id_fr, _id_es, _id_it, _id_de, _id_nl, _id_pl, _id_br, _id_se, _id_fi, _id_no, _id_be, _id_ch, _id_cn]  # fmt: skip


def _national_id(chance: random.Random) -> tuple[str, str]:
    text, value = _placed(chance, chance.choice(IDS)(chance))
    return text, value.removeprefix("BSN ")


def _phone(chance: random.Random) -> tuple[str, str]:
    """Half international; of the national ones half after a word for a phone, as people write them."""
    region = chance.choice(REGIONS)
    kind = chance.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    while True:
        digits = str(example.national_number)
        number = phonenumbers.PhoneNumber(
            example.country_code,
            int(digits[:-5] + _digits(chance, 5)),
            italian_leading_zero=example.italian_leading_zero,
        )
        if phonenumbers.is_valid_number(number):
            break
    if chance.random() < 0.5:
        style = chance.choice(
            [PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164]
        )
        written = phonenumbers.format_number(number, style)
        return _placed(chance, written.replace(" ", chance.choice([" ", " ", "-", "."])))
    written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    if chance.random() < 0.5:
        return chance.choice(PHONE_WORDS).format(written), written
    return _placed(chance, written)


MAKERS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "Email": _email,
    "Phone": _phone,
    "Card": _card,
    "IBAN": _iban,
    "NationalID": _national_id,
    "IPAddress": _ip,
}


def _hex(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789abcdef") for _ in range(count))


DECOYS: list[Callable[[random.Random], str]] = [
    lambda c: f"Order {_digits(c, c.choice([6, 8, 10]))} has shipped.",
    lambda c: f"Order ID ORD-{_digits(c, 4)}-{_digits(c, 6)} is late.",
    lambda c: f"Your order #{_digits(c, 3)}-{_digits(c, 7)}-{_digits(c, 7)} arrives Monday.",
    lambda c: (
        f"Invoice INV-{c.randrange(2015, 2027)}-{_digits(c, 5)} of {c.randrange(1, 29):02}.{c.randrange(1, 13):02}.{c.randrange(2015, 2027)}."
    ),
    lambda c: (
        f"It happened on {c.randrange(1990, 2027)}-{c.randrange(1, 13):02}-{c.randrange(1, 29):02} at {c.randrange(24):02}:{c.randrange(60):02}:{c.randrange(60):02}."
    ),
    lambda c: f"Due {c.randrange(1, 13):02}/{c.randrange(1, 29):02}/{c.randrange(1990, 2027)}, not before.",
    lambda c: f"Upgrade to version {c.randrange(20)}.{c.randrange(60)}.{c.randrange(100)} first.",
    lambda c: f"The build is v{c.randrange(20)}.{c.randrange(10)}.{c.randrange(100)}.{c.randrange(200)} now.",
    lambda c: f"Chrome/{c.randrange(90, 140)}.0.{c.randrange(255)}.{c.randrange(255)} Safari/537.36",
    lambda c: f"package@{c.randrange(20)}.{c.randrange(10)}.{c.randrange(10)}-rc.{c.randrange(9)} was released.",
    lambda c: f"commit {_hex(c, 40)} fixes it.",
    lambda c: f"sha256:{_hex(c, 64)}",
    lambda c: f"The request {uuid.UUID(int=c.getrandbits(128))} failed.",
    lambda c: f"md5 {_hex(c, 32)}, size {_digits(c, 7)} bytes",
    lambda c: f"It costs {c.randrange(1, 999)},{_digits(c, 3)}.{_digits(c, 2)} euros.",
    lambda c: f"ISBN 978-{c.randrange(10)}-{_digits(c, 3)}-{_digits(c, 5)}-{c.randrange(10)}",
    lambda c: f"At {1_600_000_000 + c.randrange(200_000_000)} the clock stopped.",
    lambda c: f"ts={1_600_000_000_000 + c.randrange(200_000_000_000)} level=info",
    lambda c: f"Coordinates {c.uniform(-90, 90):.6f}, {c.uniform(-180, 180):.6f}.",
    lambda c: (
        f"See section {c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}, see also RFC {c.randrange(1000, 9999)}."
        if c.random() < 0.2
        else f"See section {c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}."
    ),
    lambda c: f"Tracking number 1Z{_digits(c, 3)}AA{_digits(c, 10)}.",
    lambda c: f"The colour is #{_hex(c, 6)}, the ratio {c.random():.4f}.",
    lambda c: f"MAC {':'.join(_hex(c, 2) for _ in range(6))} on port {c.randrange(1024, 65535)}",
    lambda c: f"Population {c.randrange(1, 99)} {_digits(c, 3)} {_digits(c, 3)} in {c.randrange(1950, 2027)}.",
    lambda c: (
        f"Ticket {_digits(c, 5)}/{c.randrange(1, 99)} from {c.randrange(8, 18)}:{c.randrange(60):02} to {c.randrange(8, 20)}:{c.randrange(60):02}"
    ),
    lambda c: f"Customer number {_digits(c, 8)}, contract {_digits(c, 12)}.",
    lambda c: (
        f"SKU {c.choice(string.ascii_uppercase)}{c.choice(string.ascii_uppercase)}{_digits(c, 2)}-{_digits(c, 4)}-{_digits(c, 4)}"
    ),
    lambda c: f"std::vector<int>::at({c.randrange(100)}) and a::b::c",
    lambda c: f"The logo is logo@{c.randrange(2, 4)}x.png, {c.randrange(100, 2000)}x{c.randrange(100, 2000)} pixels",
    lambda c: f"Serial {_digits(c, 4)} {_digits(c, 4)} {_digits(c, 4)}, batch {_hex(c, 8)}",
    lambda c: f"Error 0x{_hex(c, 8)} at line {c.randrange(1, 9999)}, column {c.randrange(1, 120)}.",
    lambda c: f"From {c.randrange(1900, 1990)} to {c.randrange(1990, 2027)} we sold {_digits(c, 6)} units.",
]
