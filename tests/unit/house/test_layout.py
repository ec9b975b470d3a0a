"""What would break the house without any test of a room noticing."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_operator_folder_does_not_shadow_the_standard_librarys_operator() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_make_help_lists_every_target() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    phony = {name for line in lines if line.startswith(".PHONY:") for name in line.split()[1:]}
    described = {line.split(":")[0] for line in lines if ":" in line and "  ## " in line}
    assert phony - described == {"venv", "cluster-needs", "cluster-built", "contract-needs"}, (
        "these are steps of others"
    )
