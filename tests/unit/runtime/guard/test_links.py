"""Links keep their words and lose their target unless its host is let; images go. Checked by parsers of others."""

import contextlib
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from regent_runtime.guard.links import image_rules, link_rules
from regent_runtime.guard.links.destination import leads_to
from regent_runtime.guard.scan import RuleSet
from regent_runtime.guard.window import Treatment, Window


def admits(host: str) -> bool:
    return host == "ok.example" or host.endswith(".ok.example")


def screened(text: str, *kinds: str, pieces: int = 0) -> str:
    found = [*(image_rules() if "images" in kinds else []), *(link_rules(admits) if "links" in kinds else [])]
    treatments = {rule: Treatment(rule, "f", rule.name, ("Strip",), becomes, tail) for rule, becomes, tail in found}
    window = Window(RuleSet(treatments), treatments, lambda _: None)
    cut = [text[at : at + pieces] for at in range(0, len(text), pieces)] if pieces else [text]
    return "".join([*(window.feed(piece.encode()).decode() for piece in cut), window.feed(b"", final=True).decode()])


@pytest.mark.parametrize("kinds", [("links",), ("images",)])
def test_every_rule_fits_the_window(kinds: tuple[str, ...]) -> None:
    assert RuleSet(rule for rule, *_ in [*image_rules(), *link_rules(admits)]).is_windowed


@pytest.mark.parametrize(
    ("address", "is_let"),
    [
        ("https://ok.example", True), ("https://a.ok.example/x?y#z", True), ("HTTPS://OK.EXAMPLE:8443/", True), ("/rel", True),
        ("#top", True), ("page.html?u=https://evil.example", True), ("//a.ok.example/x", True), ("mailto:a@ok.example", True),
        ("https://ok.example.", True), ("https://%6Fk.example", True), ("https://user:pw@ok.example/", True), ("", True),
        ("https://evil.example", False), ("//evil.example", False), ("\\\\evil.example", False), ("https:evil.example", False),
        ("https:/evil.example", False), ("https:\\/\\evil.example", False), ("https://ok.example@evil.example", False),
        ("https://evil.example\\@ok.example", False), ("https://ok.example.evil.example", False), ("ht\ntps://evil.example", False),
        (" https://evil.example", False), ("&#104;ttps://evil.example", False), ("https&colon;//evil.example", False),
        ("https\\://evil.example", False), ("javascript:alert(1)", False), ("JaVaScRiPt:alert(1)", False), ("data:text/html,x", False),
        ("vbscript:x", False), ("tel:+49301234567", False), ("mailto:a@evil.example", False), ("mailto:a@ok.example?bcc=b@evil.example", False),
        ("https://[::1]/", False), ("https://2130706433/", False), ("https://ev%00il", False), ("https://ok.example%2eevil.example", False),
        ("https://ok\u3002example.evil.example", False), ("https://", False), ("x:", False), ("&amp;#104;ttps://evil.example", False),
        ("https://b\u00fccher.ok.example/", True), ("https://xn--bcher-kva.ok.example/", True), ("https://ok.example/a b", True),
        ("https://o\u200bk.example", False), ("https://o\u202ek.example", False), ("https://o\x00k.example", False),
        ("https://\uff4fk.example", False), ("https://ok\u00ad.example", False), ("\u200bhttps://evil.example", False),
        ("https://stra\u00dfe.ok.example", False), ("https:\\//ok.example", False),
    ],
)  # fmt: skip
def test_where_an_address_leads(address: str, is_let: bool) -> None:
    assert leads_to(address.encode(), admits) is is_let


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No link at all, 3 < 4 and a[0](x).", "No link at all, 3 < 4 and a[0](x)."),
        ("[a](https://ok.example/x) https://a.ok.example", "[a](https://ok.example/x) https://a.ok.example"),
        ('[a](https://evil.example/x "t") b', '[a](# "t") b'),
        ("[a]( <https://evil.example/x y> )", "[a]( <#> )"),
        ("[a](https://evil.example/(x)/y) b", "[a](#) b"),
        ("[a](\n//evil.example)", "[a](\n#)"),
        ("[a]: https://evil.example/x\n\n[a]", "[a]: #\n\n[a]"),
        ("see https://evil.example/x?y, or _https://evil.example_", "see (link removed) or _(link removed)"),
        ("www.evil.example and www.ok.example", "(link removed) and www.ok.example"),
        ("<https:evil.example>", "<(link removed)>"),
        ("<a href='//evil.example'>x</a>", "<a href='#'>x</a>"),
        ('<a title=">" href="https:evil.example">x</a>', '<a title=">" href="#">x</a>'),
        ("<form action=https:evil.example>", "<form action=#>"),
        ("[a](https://" + "e" * 700 + ".example/x) b", "[a](#) b"),
        ("[a](" + "/" * 3000 + "evil.example) b", "[a](#) b"),
        ("[a](javascript&colon;alert(1)) b", "[a](#) b"),
        ("hxxps://evil.example", "(link removed)"),
        ("[a](" + " " * 90 + "https:evil.example)", "[a](#" + " " * 25 + "https:evil.example)"),
        ("<a href=" + " " * 90 + "https:evil.example>", "<a href=#" + " " * 49 + "https:evil.example>"),
        ("<a href" + " " * 90 + "=https:evil.example>", "<a href#" + " " * 49 + "=https:evil.example>"),
        ("<a href" + " " * 40 + "=" + " " * 40 + "https:evil.example>", "<a href" + " " * 40 + "=" + " " * 40 + "#>"),
    ],
)  # fmt: skip
def test_links_elsewhere_lose_their_target(text: str, expected: str) -> None:
    assert screened(text, "links") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No image!", "No image!"),
        ('a ![x](https://e.example/a.png "t") b', "a (image removed) b"),
        ("![x][y] ![z]", "(image removed) !\\[z]"),
        ("!![x](u)", "!(image removed)"),
        ("![a [b] c](u)", "!\\[a [b] c](u)"),
        ("![" + "x" * 600 + "](u)", "!\\[" + "x" * 600 + "](u)"),
        ("<IMG/src=x> <b>bold</b> <Svg onload=x>", "(image removed) <b>bold</b> (image removed)"),
        ("<p style='background:url(x)'>y</p>", "(image removed)y</p>"),
        ('<p title=">" style=x>', '(image removed)" style=x>'),
        ("<p title='<' style=x>", "&lt;p title='<' style=x>"),
        ("<p " + "x" * 600 + " style=x>", "&lt;p " + "x" * 600 + " style=x>"),
        ("<img src=x", "&lt;img src=x"),
        ("<p style=x\n\ny", "&lt;p style=x\n\ny"),
        ("for (i = 0; i<n; i++) a[i] = b < c && !x;", "for (i = 0; i<n; i++) a[i] = b < c && !x;"),
        ("#include <iostream>", "#include <iostream>"),
    ],
)  # fmt: skip
def test_images_go(text: str, expected: str) -> None:
    assert screened(text, "images") == expected


class _Seen(HTMLParser):
    """Addresses and tags that a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "action", "formaction", "src", "ping"}:
                self.addresses.append(value or "")
            if name in {"src", "srcset", "style", "poster", "background"} or name.startswith("on"):
                self.fetched.append(f"{tag} {name}")
        if tag in {"img", "image", "iframe", "script", "link", "style", "video", "audio", "object", "embed", "svg"}:
            self.fetched.append(tag)

    handle_startendtag = handle_starttag


def seen_by_others(text: str) -> _Seen:
    """What CommonMark's reference rules, with HTML let through, make of a text."""
    seen = _Seen()
    with contextlib.suppress(AssertionError):  # of html.parser, over a declaration that is none
        seen.feed(MarkdownIt("commonmark", {"html": True}).render(text))
        seen.close()
    return seen


PARTS = [
    "[a]", "](", "]:", "(", ")", "[", "]", "!", "![", "<", ">", "<a href=", "<img src=", "<p style=", "'", '"', " ", "\n", "\n\n", "\\",
    "https://evil.example/x", "//evil.example", "https:evil.example", "https://ok.example", "evil", "javascript:x", "&#104;ttps://evil.example",
    "www.evil.example", "&colon;", "/", "=", "x", "`", "*", "<https:evil.example>", "[a][a]", "\n[a]: ", "a" * 90, "<!--", "-->", "<svg/onload=", "\t",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


@given(TEXTS)
@settings(max_examples=400)
@example("[a](<https://evil.example>)")
@example("[a]: <//evil.example>\n\n[a]")
def test_another_parser_finds_no_link_elsewhere(text: str) -> None:
    addresses = seen_by_others(screened(text, "links")).addresses
    assert [address for address in addresses if not leads_to(address.encode(), admits)] == []


@given(TEXTS)
@settings(max_examples=400)
def test_another_parser_finds_no_image(text: str) -> None:
    assert seen_by_others(screened(text, "images")).fetched == []


@given(TEXTS, st.integers(1, 9))
def test_it_does_not_matter_how_the_answer_was_cut(text: str, pieces: int) -> None:
    both = ("images", "links")
    assert screened(text, *both, pieces=pieces) == screened(text, *both)
