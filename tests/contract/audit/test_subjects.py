from pathlib import Path

import pytest
from msgspec import msgpack
from msgspec.structs import replace

from regent_api.audit import content
from regent_api.audit.frame import CONTENT, frame
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
    assert (found.head.subject, found.head.turn, found.label) == (mine.pseudonym, "t", "Internal")
    assert content.unseal(found, mine) == b"tulip"
    moved = content.Stored(replace(found.head, turn="u"), found.label)
    for stored, key in [(found, other), (moved, mine), (content.Stored(found.head, "Public"), mine)]:
        with pytest.raises(content.ContentUnreadable):
            content.unseal(stored, key)
    assert list(content.texts(tmp_path, mine)) == [("t", b"tulip")]
    assert list(content.texts(tmp_path, other)) == []
    assert content.expired(tmp_path, Sensitivity.INTERNAL, "2026-11-26") == []
    assert content.expired(tmp_path, Sensitivity.INTERNAL, "2026-11-27") == [path]


def test_a_long_text_is_several_frames_and_read_whole_or_not_at_all(tmp_path: Path) -> None:
    key = KeyFile(tmp_path / "keys").make("a")
    long = bytes(range(256)) * (content.PART_BYTES * 3 // 256 + 1)
    for number, text in enumerate((long, b"", long[: content.PART_BYTES])):
        sealed = content.seal(text, turn=f"t{number}", label=Sensitivity.INTERNAL, day="2026-11-26", key=key)
        path = content.path_of(tmp_path, sealed.part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(sealed.data)
    whole = [each.head for each in content.stored(tmp_path)]
    assert [(each.turn, each.part, each.parts) for each in whole] == [
        *(("t0", number, 4) for number in range(4)),
        ("t1", 0, 1),
        ("t2", 0, 1),
    ]
    assert dict(content.texts(tmp_path, key)) == {"t0": long, "t1": b"", "t2": long[: content.PART_BYTES]}
    without = [frame(CONTENT, msgpack.encode(each)) for each in whole if each.part != 2]
    path.write_bytes(b"".join(without))
    assert dict(content.texts(tmp_path, key)) == {"t1": b"", "t2": long[: content.PART_BYTES]}
    swapped = [replace(each, part={0: 1, 1: 0}.get(each.part, each.part)) for each in whole[:4]]
    path.write_bytes(b"".join(frame(CONTENT, msgpack.encode(each)) for each in swapped))
    assert list(content.texts(tmp_path, key)) == []
