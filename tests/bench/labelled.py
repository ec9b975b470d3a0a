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

from tests.bench.digits import digits, grouped, luhn_digit
from tests.bench.national_ids import national_id

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


def _email(chance: random.Random) -> tuple[str, str]:
    local = chance.choice(FIRST) + chance.choice(["", "", "+news", str(chance.randrange(100))])
    return _placed(chance, f"{local}@{chance.choice(HOSTS)}{chance.choice(['', '.mail'])}.{chance.choice(DOMAINS)}")


def _card(chance: random.Random) -> tuple[str, str]:
    prefix, length = chance.choice(BRANDS)
    body = prefix + digits(chance, length - len(prefix) - 1)
    number = body + luhn_digit(body)
    separator = chance.choice(["", " ", "-", "\u00a0"])
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4, 4))
    return _placed(chance, grouped(number, sizes, separator))


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


def _national_id(chance: random.Random) -> tuple[str, str]:
    written, value = national_id(chance)
    return _placed(chance, written)[0], value


def _phone(chance: random.Random) -> tuple[str, str]:
    """Half international; of the national ones half after a word for a phone, as people write them."""
    region = chance.choice(REGIONS)
    kind = chance.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    while True:
        whole = str(example.national_number)
        number = phonenumbers.PhoneNumber(
            example.country_code,
            int(whole[:-5] + digits(chance, 5)),
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
    lambda c: f"Order {digits(c, c.choice([6, 8, 10]))} has shipped.",
    lambda c: f"Order ID ORD-{digits(c, 4)}-{digits(c, 6)} is late.",
    lambda c: f"Your order #{digits(c, 3)}-{digits(c, 7)}-{digits(c, 7)} arrives Monday.",
    lambda c: (
        f"Invoice INV-{c.randrange(2015, 2027)}-{digits(c, 5)} of {c.randrange(1, 29):02}.{c.randrange(1, 13):02}.{c.randrange(2015, 2027)}."
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
    lambda c: f"md5 {_hex(c, 32)}, size {digits(c, 7)} bytes",
    lambda c: f"It costs {c.randrange(1, 999)},{digits(c, 3)}.{digits(c, 2)} euros.",
    lambda c: f"ISBN 978-{c.randrange(10)}-{digits(c, 3)}-{digits(c, 5)}-{c.randrange(10)}",
    lambda c: f"At {1_600_000_000 + c.randrange(200_000_000)} the clock stopped.",
    lambda c: f"ts={1_600_000_000_000 + c.randrange(200_000_000_000)} level=info",
    lambda c: f"Coordinates {c.uniform(-90, 90):.6f}, {c.uniform(-180, 180):.6f}.",
    lambda c: (
        f"See section {c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}, see also RFC {c.randrange(1000, 9999)}."
        if c.random() < 0.2
        else f"See section {c.randrange(1, 12)}.{c.randrange(1, 12)}.{c.randrange(1, 12)}."
    ),
    lambda c: f"Tracking number 1Z{digits(c, 3)}AA{digits(c, 10)}.",
    lambda c: f"The colour is #{_hex(c, 6)}, the ratio {c.random():.4f}.",
    lambda c: f"MAC {':'.join(_hex(c, 2) for _ in range(6))} on port {c.randrange(1024, 65535)}",
    lambda c: f"Population {c.randrange(1, 99)} {digits(c, 3)} {digits(c, 3)} in {c.randrange(1950, 2027)}.",
    lambda c: (
        f"Ticket {digits(c, 5)}/{c.randrange(1, 99)} from {c.randrange(8, 18)}:{c.randrange(60):02} to {c.randrange(8, 20)}:{c.randrange(60):02}"
    ),
    lambda c: f"Customer number {digits(c, 8)}, contract {digits(c, 12)}.",
    lambda c: (
        f"SKU {c.choice(string.ascii_uppercase)}{c.choice(string.ascii_uppercase)}{digits(c, 2)}-{digits(c, 4)}-{digits(c, 4)}"
    ),
    lambda c: f"std::vector<int>::at({c.randrange(100)}) and a::b::c",
    lambda c: f"The logo is logo@{c.randrange(2, 4)}x.png, {c.randrange(100, 2000)}x{c.randrange(100, 2000)} pixels",
    lambda c: f"Serial {digits(c, 4)} {digits(c, 4)} {digits(c, 4)}, batch {_hex(c, 8)}",
    lambda c: f"Error 0x{_hex(c, 8)} at line {c.randrange(1, 9999)}, column {c.randrange(1, 120)}.",
    lambda c: f"From {c.randrange(1900, 1990)} to {c.randrange(1990, 2027)} we sold {digits(c, 6)} units.",
]
