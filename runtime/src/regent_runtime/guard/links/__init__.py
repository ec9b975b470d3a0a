"""Links and images of an answer, as whoever shows it would understand them: Markdown (CommonMark, GFM) and HTML.

Every place where a renderer looks for an address is found by itself, so text that only some renderer understands is
screened too; what cannot be told is treated as a link to nowhere allowed.
"""

from collections.abc import Callable

from regent_runtime.guard.links import html, markdown
from regent_runtime.guard.links.destination import leads_to
from regent_runtime.guard.scan import Rule
from regent_runtime.guard.window import While

_REST_OF_AN_ADDRESS = While(bytes(set(range(0x21, 0x100)) - set(b"<>\"'()[]")))

Admits = Callable[[str], bool]
"""Whether links may lead to a lower-case host."""
Found = tuple[Rule, bytes, While | None]
"""A rule, what its matches become, and how they go on."""


def link_rules(admits: Admits) -> list[Found]:
    """Links elsewhere lose their target; the words that bear them stay."""

    def forbidden(address: bytes) -> bool:
        return not leads_to(address, admits)

    return [
        (markdown.destinations(forbidden), b"#", _REST_OF_AN_ADDRESS),
        (html.attributes(forbidden), b"#", _REST_OF_AN_ADDRESS),
        (markdown.autolinks(forbidden), b"(link removed)", _REST_OF_AN_ADDRESS),
        (markdown.bare_addresses(forbidden), b"(link removed)", _REST_OF_AN_ADDRESS),
    ]


def image_rules() -> list[Found]:
    """Whatever a renderer would fetch without being asked."""
    return [
        (markdown.IMAGE, b"(image removed)", None),
        (markdown.IMAGE_OPENING, b"!\\[", None),
        (html.FETCHING_TAG, b"(image removed)", None),
        (html.FETCHING_OPENING, b"&lt;", None),
        (html.OPEN_TAG, b"&lt;", None),
    ]
