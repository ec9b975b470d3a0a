"""What takes long to make is made once a machine: binaries, images and tools, outside the repository.

An entry is a folder named by what it is made from, so it never has to be invalidated. It appears whole or not at all:
it is made beside its place and renamed, and a lock lets several processes ask for the same one at a time. Of each name
the entries used last are kept.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT = 4
HERE = Path(__file__).resolve().parent


def root() -> Path:
    """`$XDG_CACHE_HOME/regent/cluster`, by default below `~/.cache`; made on first use."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "regent" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fingerprint(*sources: Path | str) -> str:
    """A short content key of files, of all files below folders, and of plain strings, in the order given."""
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, str):
            digest.update(source.encode() + b"\0")
            continue
        for file in _files(source):
            digest.update(f"{file.relative_to(source.parent)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:20]


def entry(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `name/key`, filled by `make(folder)` if it is not there yet; when that raises, nothing stays."""
    place = root() / name / key
    place.parent.mkdir(exist_ok=True)
    if not place.exists():
        with locked(place.with_suffix(".lock")):
            if not place.exists():
                _make(place, make)
                _drop_oldest(place.parent)
    os.utime(place)
    return place


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Holds an exclusive lock between processes; the kernel releases it when its holder dies."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"cluster: {text}\n")
    sys.stderr.flush()


def _make(place: Path, make: Callable[[Path], None]) -> None:
    say(f"making {place.parent.name} {place.name}")
    start = time.monotonic()
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=place.parent))
    try:
        draft.chmod(0o755)
        make(draft)
        draft.rename(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    say(f"made {place.parent.name} in {time.monotonic() - start:.1f} s")


def _drop_oldest(kind: Path) -> None:
    """By last use: an image is made anew after each edit of its sources, and none of them is small."""
    places = sorted((p for p in kind.iterdir() if p.is_dir() and not p.name.startswith("draft-")), key=_last_use)
    for place in places[:-KEPT]:
        shutil.rmtree(place)


def _last_use(place: Path) -> float:
    return place.stat().st_mtime


def _files(source: Path) -> Iterable[Path]:
    if source.is_file():
        return [source]
    return sorted(p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
