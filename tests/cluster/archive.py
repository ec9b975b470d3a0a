"""Writes OCI image archives without a registry or an engine.

Owners, times and order are fixed, so the same files give the same digest. The format is the OCI image specification's
layout (github.com/opencontainers/image-spec), in one tar, with the name where containerd looks for it.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(out: Path, name: str, content: Mapping[str, Path], config: Mapping[str, Any]) -> None:
    """An image `name` (with a tag) of one layer.

    `content` maps a place in the image ("" is its root) to a file or folder; `config` is the OCI image's, such as Cmd.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch, tarfile.open(out, "w") as image:
        layer = Path(scratch) / "layer.tar"
        _write_layer(layer, content)
        digest = _add_file(image, layer)
        settings = {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [digest]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": _add_json(image, f"{OCI}.config.v1+json", settings),
            "layers": [_descriptor(f"{OCI}.layer.v1.tar", digest, layer.stat().st_size)],
        }
        described = _add_json(image, f"{OCI}.manifest.v1+json", manifest)
        described["annotations"] = {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        }
        _add(image, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        _add(image, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _write_layer(out: Path, content: Mapping[str, Path]) -> None:
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as layer:
        for place, source in sorted(content.items()):
            for parent in reversed(Path(place).parents[:-1]):
                folder = tarfile.TarInfo(str(parent))
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                layer.addfile(folder)
            if source.is_dir():
                _add_tree(layer, source, place)
            else:
                layer.add(source, place, filter=_without_accidents)


def _add_tree(layer: tarfile.TarFile, source: Path, place: str) -> None:
    for folder, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(folders + files):
            file = Path(folder) / name
            layer.add(file, str(Path(place) / file.relative_to(source)), recursive=False, filter=_without_accidents)


def _without_accidents(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _add_file(image: tarfile.TarFile, file: Path) -> str:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        entry = tarfile.TarInfo(f"blobs/sha256/{digest}")
        entry.size, entry.mode = file.stat().st_size, 0o644
        image.addfile(entry, content)
    return f"sha256:{digest}"


def _add_json(image: tarfile.TarFile, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    data = json.dumps(value, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    _add(image, f"blobs/sha256/{digest}", data)
    return _descriptor(kind, f"sha256:{digest}", len(data))


def _add(image: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    image.addfile(entry, io.BytesIO(data))


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}
