"""Links and images as others read them: on what was screened, two other parsers find no link elsewhere and no image."""

import contextlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from regent_runtime.guard.links import Found, image_rules, link_rules
from regent_runtime.guard.links.destination import leads_to
from regent_runtime.guard.scan import RuleSet
from regent_runtime.guard.window import Treatment, Window
from tests.fuzz.target import Target

_MARKDOWN = MarkdownIt("commonmark", {"html": True})
_ADDRESSES = {"href", "action", "formaction", "src", "ping"}
_FETCHING = {"img", "image", "iframe", "script", "link", "style", "video", "audio", "object", "embed", "svg"}
_FETCHES = re.compile(r"src|srcset|style|poster|background|on[a-z]+")


def _admits(host: str) -> bool:
    return host == "ok.example" or host.endswith(".ok.example")


def _windows(found: list[Found]) -> Callable[[], Window]:
    treatments = {rule: Treatment(rule, "f", rule.name, ("Strip",), becomes, tail) for rule, becomes, tail in found}
    rules = RuleSet(treatments)
    return lambda: Window(rules, treatments, lambda _: None)


_LINKS, _IMAGES = _windows(link_rules(_admits)), _windows(image_rules())


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in _ADDRESSES]
        self.fetched += [name for name, value in attrs if value is not None and _FETCHES.fullmatch(name)]
        if tag in _FETCHING:
            self.fetched.append(tag)

    handle_startendtag = handle_starttag


def _seen(text: str) -> _Seen:
    seen = _Seen()
    with contextlib.suppress(AssertionError):  # of html.parser, over a declaration that is none
        seen.feed(_MARKDOWN.render(text))
        seen.close()
    return seen


def _is_written_out(address: str, text: str) -> bool:
    """An e-mail address in pointed brackets, which stays."""
    return address.startswith("mailto:") and f"<{address.removeprefix('mailto:')}>" in text


def feed(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    links, images = (made().feed(text.encode(), final=True).decode() for made in (_LINKS, _IMAGES))
    for address in _seen(links).addresses:
        assert leads_to(address.encode(), _admits) or _is_written_out(address, links)
    assert not _seen(images).fetched


TARGET = Target(
    feed,
    seeds=(
        b"[a](https://evil.example/x 't') ![b](//evil.example \"t\") <https:evil.example> www.evil.example",
        b"[a]: <https://ok.example>\n\n[a][a] ![c][a] <a title='>' href=https:evil.example>x</a>",
        b"<img src=x onerror=y> <p style='background:url(//evil.example)'> <svg/onload=x> <!-- x -->",
        b"[x](java&#115;cript:x) https&colon;//evil.example https://ok.example@evil.example \\\\evil.example",
    ),
    words=(
        b"](", b"]:", b"![", b"<a href=", b"<img ", b" style=", b"https:", b"//", b"evil.example", b"ok.example", b"&#58;",
        b"\\", b"\n\n", b"'", b'"', b"<!--", b"-->", b"`", b"www.", b"javascript:",
    ),
    longest=1024,
)  # fmt: skip
