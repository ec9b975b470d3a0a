"""Characters that look like ASCII letters, beside those that Unicode's own compatibility forms already resolve.

A table of our own, bounded and readable: whole alphabets in alphabetical order where a letter of each stands for an
ASCII one (Unicode Technical Standard 39 calls these prototypes). It serves matching alone; no text that a model or a
caller sees is ever written with it.
"""

_LOOK_ALIKES = {
    "a": "аα𝛂ɑᴀꭺᗅаɐⱥ",
    "b": "ЬВвβʙƄᏏᖯƀɓ",
    "c": "сСϲⅽᴄꮯᏟƈ",
    "d": "ԁᴅꭰᎠᗞđɗɖ",
    "e": "еЕєεɛᴇꭼᎬҽ℮ɇ€ɘ",
    "f": "ϝғꜰẝƒʄ",
    "g": "ɡɢԍᶃᏀǥɠ",
    "h": "һНнʜᎻᕼħɦ",
    "i": "іІιɩɪıⅰӏᎥɨ",
    "j": "јЈʝϳᴊᎫɉ",
    "k": "кКκᴋᏦⲕƙ",
    "l": "ⅼʟᏞᒪӀłƚɭ∣ǀ",
    "m": "мМᴍᎷⅿɱ",
    "n": "пηɴոИийɲƞ",
    "o": "оОοσօᴏ০०௦ഠ๐ⲟøɵ",
    "p": "рРρᴘᏢⲣƥ",
    "q": "ԛգզʠɋ",
    "r": "гʀᎡᏒяꭇɍɾ",
    "s": "ѕЅꜱᏚʂƨ",
    "t": "тТτϯᴛᎢŧƭʈ",
    "u": "υսᴜʋцџʉ",
    "v": "ѵνᴠᏙⅴʌ",
    "w": "ԝшѡωᴡᎳɯ",
    "x": "хХχⅹ᙭×",
    "y": "уУүγʏყỿƴɏ",
    "z": "ᴢᏃʐƶȥɀ",
    "A": "АΑ",
    "B": "Β",
    "E": "Ε",
    "H": "Η",
    "I": "Ι",
    "K": "Κ",
    "M": "Μ",
    "N": "Ν",
    "O": "ΟØ",
    "P": "Ρ",
    "T": "Τ",
    "X": "Χ",
    "Y": "Υ",
    "Z": "Ζ",
    "'": "’‘ʼʹ`´",
    '"': "“”„«»",
    "-": "‐‑‒–—−",
    "<": "‹",
    ">": "›",
    "/": "∕⁄",
    "|": "¦❘",
    ":": "∶꞉",
}

TABLE = {seen: meant for meant, alike in _LOOK_ALIKES.items() for seen in alike}
TABLE |= {chr(0x1F1E6 + place): chr(ord("a") + place) for place in range(26)}
"""Regional indicators: the letters that flags are spelled with."""
for _first in (0x1F130, 0x1F150, 0x1F170):
    TABLE |= {chr(_first + place): chr(ord("a") + place) for place in range(26)}
"""Squared and negative circled letters, which have no compatibility form."""
