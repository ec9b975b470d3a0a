from pathlib import Path

from tests.contract.audit.killing import kill_writers


def test_no_acknowledged_record_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    """A share of the 200 kills of `make bench-audit`."""
    acknowledged, lost, unsound = kill_writers(tmp_path / "audit", kills=10)
    assert acknowledged > 300
    assert (lost, unsound) == (0, 0)
