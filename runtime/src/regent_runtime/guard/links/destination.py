"""Where an address leads, read as browsers read it (WHATWG URL), after what Markdown and HTML take away first."""

import html
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

_AT_THE_ENDS = "".join(map(chr, range(0x21)))
_LINE_BREAKS = re.compile(r"[\t\r\n]")
_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad]")
"""Some renderers drop them, others keep them or put other characters in their place."""
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_SPECIAL = {"http", "https", "ws", "wss", "ftp", "file"}
_MOST_UNWRAPPED = 4
_PORT = re.compile(r":[0-9]*$")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_\-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_\-]*[a-z0-9_])?)*")
LONGEST_HOST = 253


def leads_to(address: bytes, admits: Callable[[str], bool]) -> bool:
    """Whether every reading of an address leads to an admitted host, or nowhere outside the page it stands on."""
    return all(_admitted(reading, admits) for reading in _readings(address.decode("utf-8", "replace")))


def _readings(text: str) -> set[str]:
    """As it stands; with entities decoded, as both do; and with Markdown's escapes taken away before that."""
    found = {text}
    for start in (text, _ESCAPED.sub(r"\1", text)):
        reading = start
        for _ in range(_MOST_UNWRAPPED):
            found.add(reading)
            unwrapped = html.unescape(reading)
            if unwrapped == reading:
                break
            reading = unwrapped
        found.add(reading)
    return found


def _admitted(reading: str, admits: Callable[[str], bool]) -> bool:
    """A backslash is a slash to browsers, and may be encoded on its way there."""
    shown = _LINE_BREAKS.sub("", reading.strip(_AT_THE_ENDS))
    return all(
        _leads_to_admitted(text.replace("\\", slash), admits)
        for text in {shown, _INVISIBLE.sub("", shown)}
        for slash in ("/", "%5C")
    )


def _leads_to_admitted(text: str, admits: Callable[[str], bool]) -> bool:
    scheme = _SCHEME.match(text)
    if scheme is None:
        return not text.startswith("//") or _host_admitted(text.lstrip("/"), admits)
    name, rest = scheme[1].lower(), text[scheme.end() :]
    if name in _SPECIAL:
        return _host_admitted(rest.lstrip("/"), admits)
    if name == "mailto":
        recipients = re.split(r"[,;]", unquote_to_bytes(rest.partition("?")[0]).decode("utf-8", "replace"))
        return "?" not in rest and all(_host_admitted(each.rpartition("@")[2], admits) for each in recipients)
    return rest.startswith("//") and _host_admitted(rest.lstrip("/"), admits)


def _host_admitted(rest: str, admits: Callable[[str], bool]) -> bool:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = _host(authority)
    return host is not None and admits(host)


def _host(authority: str) -> str | None:
    """Lower-case ASCII; None: none that can be read, which no list admits."""
    named = _PORT.sub("", authority.rpartition("@")[2])
    decoded = unquote_to_bytes(named).decode("utf-8", "replace")
    try:
        plain = decoded if decoded.isascii() else _as_ascii(decoded)
    except UnicodeError:
        return None
    host = plain.lower().removesuffix(".")
    return host if len(host) <= LONGEST_HOST and _HOST.fullmatch(host) else None


def _as_ascii(host: str) -> str:
    """Raises UnicodeError, also where others would map or drop other characters on the way than we do."""
    plain = host.encode("idna")
    if plain.decode("idna") != host.lower():
        raise UnicodeError
    return plain.decode("ascii")
