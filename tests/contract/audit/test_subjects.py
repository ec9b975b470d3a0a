from pathlib import Path

import pytest

from regent_api.audit import content
from regent_api.audit.subjects import KeyFile, TooManySubjects
from regent_api.types import Sensitivity


def test_a_subject_is_linkable_until_its_key_is_erased(tmp_path: Path) -> None:
    keys, elsewhere = KeyFile(tmp_path / "keys"), None
    before = keys.make("a")
    assert keys.make("a") == before
    assert keys.make("b").pseudonym != before.pseudonym
    elsewhere = KeyFile(tmp_path / "keys")
    assert elsewhere.get("a") == before
    assert elsewhere.erase("a")
    assert keys.get("a") is None
    assert not elsewhere.erase("a")
    assert before.master not in (tmp_path / "keys").read_bytes()
    after = keys.make("a")
    assert (after.pseudonym != before.pseudonym, keys.get("b") is not None) == (True, True)
    assert (tmp_path / "keys").stat().st_size == 2 * 64


def test_the_file_is_bounded_and_a_torn_key_is_dropped(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys", most=1)
    keys.make("a")
    with pytest.raises(TooManySubjects):
        keys.make("b")
    with (tmp_path / "keys").open("ab") as file:
        file.write(b"torn")
    again = KeyFile(tmp_path / "keys", most=2)
    assert again.make("b") != again.get("a")
    assert (tmp_path / "keys").stat().st_size == 2 * 64


def test_content_is_read_with_its_subjects_key_alone(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    mine, other = keys.make("a"), keys.make("b")
    sealed = content.seal(b"tulip", turn="t", label=Sensitivity.INTERNAL, day="2026-11-26", key=mine)
    path = content.path_of(tmp_path, sealed.part)
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.data)
    assert b"tulip" not in sealed.data
    (found,) = content.stored(tmp_path)
    assert (found.subject, found.turn, found.label) == (mine.pseudonym, "t", "Internal")
    assert content.unseal(found, mine) == b"tulip"
    for stored, key in [(found, other), (content.Stored("u", found.subject, found.sealed, found.label), mine)]:
        with pytest.raises(content.ContentUnreadable):
            content.unseal(stored, key)
    assert content.expired(tmp_path, Sensitivity.INTERNAL, "2026-11-26") == []
    assert content.expired(tmp_path, Sensitivity.INTERNAL, "2026-11-27") == [path]
