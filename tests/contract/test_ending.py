"""SIGTERM while a program's modules are still being loaded."""

import asyncio
import signal
import sys

import pytest

from tests.fakes.waiting import WAIT_SECONDS

LOADING = """
import runpy, sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            print("loading", flush=True)
            time.sleep({patience})

sys.meta_path.insert(0, Slow())
runpy.run_module("{program}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("program", "module"),
    [
        ("regent_runtime", "regent_runtime.main"),
        ("regent_operator", "regent_operator.app"),
        ("regent_operator.collector", "regent_operator.collector.app"),
        ("regent_operator.metrics_api", "regent_operator.metrics_api.app"),
    ],
)
async def test_an_end_is_heard_while_modules_load(program: str, module: str) -> None:
    """By a handler, not by the signal's default: the kernel withholds that from a container's first process."""
    code = LOADING.format(program=program, module=module, patience=10 * WAIT_SECONDS)
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), WAIT_SECONDS) == b"loading\n"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WAIT_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
