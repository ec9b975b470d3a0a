"""When an edit of files is complete: an editor that empties a file before it writes it has not taken anything out."""

from collections.abc import Callable, Sequence
from pathlib import Path

from regent_operator.cli.manifests import PathMissingError, files


class Edits:
    """Asked again and again, tells each edit once, after two looks that saw the same."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._followed = self._seen = look()

    def settled(self) -> bool:
        before, self._seen = self._seen, self._look()
        if self._seen != before or self._seen == self._followed:
            return False
        self._followed = self._seen
        return True


def fingerprint(paths: Sequence[Path]) -> tuple[object, ...]:
    """Changes when one of the manifests does; a path that is gone is a change too, and reading it gives the error."""
    try:
        stats = [(str(path), path.stat()) for path in files(paths)]
    except (PathMissingError, OSError):
        return ()
    return tuple((path, stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats)
