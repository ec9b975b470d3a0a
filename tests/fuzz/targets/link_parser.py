"""Links and images of an answer as Markdown and HTML: what is cut out does not depend on how the answer arrived."""

import re2

from regent_runtime.guard.output import Pass
from regent_runtime.guard.output_rules import addresses
from regent_runtime.guard.scan import RuleSet
from tests.fakes import configs
from tests.fuzz.target import Target

_POLICY = configs.config(
    configs.provider_config("local", "http://127.0.0.1:1/v1"),
    policy={"guardrails": {"output": {"links": {"allow": [["*.example.com"]], "images": ["Strip"]}}}},
).policy.guardrails.output
_TREATMENTS = {treatment.rule: treatment for treatment in addresses(_POLICY)}
_PASS = Pass(RuleSet(_TREATMENTS), _TREATMENTS)
_IMAGE = re2.compile(rb"<img\s", re2.Options())


def screened(pieces: list[bytes]) -> bytes:
    window = _PASS.window(lambda _: None)
    return b"".join([*(window.feed(piece) for piece in pieces), window.feed(b"", final=True)])


def feed(data: bytes) -> None:
    data = data.decode("utf-8", "replace").encode()
    whole = screened([data])
    assert screened([data[at : at + 31] for at in range(0, len(data), 31)]) == whole
    assert not _IMAGE.search(whole)


TARGET = Target(
    feed,
    seeds=(
        b"see [this](https://a.example.com/x 'title') and ![that](http://evil.test/?q=1) now",
        b'<a href="https://evil.test">x</a> <img src=//evil.test/p.png onerror=x> <svg><image href=y></svg>',
        b"[ref]: https://evil.test\n<https://evil.test> www.evil.test http://[::1]/ https://a.example.com@evil.test",
        b"[a](<https://evil.test>) [b](java\nscript:x) [c](\\/\\/evil.test) ![](&#104;ttps://evil.test)",
    ),
    words=(
        b"](",
        b"![",
        b"<img ",
        b"href=",
        b"https://",
        b"//",
        b"\\",
        b"&#x2f;",
        b"%2f",
        b"@",
        b"?",
        b"<!--",
        b"]:",
        b"`",
    ),
)
