import pytest

from regent_api.audit.checkpoint import Checkpoint, claimed, opened_checkpoint, parsed
from regent_api.audit.note import BadNote, Verifier, opened, signed
from tests.fakes.audit import SIGNER

GO = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
CHECKPOINT = Checkpoint("demo/helper/uid", 42, bytes(range(32)))


def test_the_note_of_gos_documentation_verifies() -> None:
    assert opened(GO_NOTE, GO).startswith("If you think")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.replace("answer", "Answer"),
        lambda note: note.replace("ZJkuBS", "ZJkuBT"),
        lambda note: note.replace("JnAM=", "JnAN="),
        lambda note: note.replace("PeterNeumann", "PeterNewmann"),
        lambda note: note.replace("— ", "- "),
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: "",
        lambda note: "x" * 20_000 + note,
    ],
)
def test_a_spoiled_note_is_refused(spoil: object) -> None:
    with pytest.raises(BadNote):
        opened(spoil(GO_NOTE), GO)


def test_a_checkpoint_is_signed_as_c2sp_has_it() -> None:
    note = CHECKPOINT.signed(SIGNER)
    assert note.split("\n")[:4] == [
        "regent.dev/audit/demo/helper/uid",
        "42",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "",
    ]
    assert opened_checkpoint(note, SIGNER.verifier) == CHECKPOINT == claimed(note)
    with pytest.raises(BadNote):
        opened_checkpoint(note, GO)
    with pytest.raises(BadNote):
        opened_checkpoint(note.replace("42", "43"), SIGNER.verifier)


def test_what_retention_let_go_stands_in_an_extension_line() -> None:
    text = Checkpoint("a/b/c", 42, bytes(32), first=7).text()
    assert text.endswith("\nregent.dev/first 7\n")
    assert parsed(text).first == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "other/log\n1\nAAAA\n",
        CHECKPOINT.text() + "more\n",
        CHECKPOINT.text().replace("42", "042"),
        CHECKPOINT.text().replace("42", "-1"),
        CHECKPOINT.text().replace("AAEC", "AAE"),
        CHECKPOINT.text() + "regent.dev/first 43\n",
        CHECKPOINT.text() + "regent.dev/first 0\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        parsed(text)


@pytest.mark.parametrize("line", ["", "a", "a+b+c", str(GO).replace("c74", "c75"), "A B+" + str(GO)[2:]])
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(BadNote):
        Verifier.parse(line)


def test_a_note_ends_with_a_line_end() -> None:
    with pytest.raises(ValueError, match="line end"):
        signed("text", SIGNER)
