"""`images/build`: what it takes from the lock."""

import runpy
from pathlib import Path

BUILD = runpy.run_path("images/build", run_name="build")


def pins(text: str) -> list[str]:
    return [line for line in text.splitlines() if line[:1].isalnum()]


def test_a_package_that_the_lock_has_for_several_pythons_keeps_each_of_its_entries() -> None:
    locked, entries = pins(Path("requirements.lock").read_text()), BUILD["lock_entries"]()
    assert len(locked) > len(entries), "there is such a package"
    assert sorted(pins("".join(entries.values()))) == sorted(locked)
    assert all({pin.partition("==")[0] for pin in pins(entry)} == {name} for name, entry in entries.items())
