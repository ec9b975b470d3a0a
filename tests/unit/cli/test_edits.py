from pathlib import Path

from regent_operator.cli.edits import Edits, fingerprint


def told(*looks: str) -> list[bool]:
    coming = iter(looks)
    edits = Edits(lambda: next(coming))
    return [edits.settled() for _ in looks[1:]]


def test_nothing_changes_nothing_is_told() -> None:
    assert told("a", "a", "a") == [False, False]


def test_an_edit_is_told_once_when_two_looks_agree() -> None:
    assert told("a", "b", "b", "b") == [False, True, False]


def test_what_lasts_for_one_look_is_no_edit() -> None:
    assert told("a", "empty", "b", "b") == [False, False, True]
    assert told("a", "empty", "a", "a") == [False, False, False]


def test_a_fingerprint_follows_content_and_files(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one")
    seen = {fingerprint([tmp_path])}
    file.write_text("three")
    seen.add(fingerprint([tmp_path]))
    (tmp_path / "b.yaml").write_text("two")
    seen.add(fingerprint([tmp_path]))
    seen.add(fingerprint([tmp_path / "absent"]))

    assert len(seen) == 4
