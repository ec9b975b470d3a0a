import asyncio
import subprocess
import sys
import threading

import pytest

from regent_runtime.audit.worker import Worker


async def test_work_is_done_one_after_the_other_beside_the_loop() -> None:
    worker, done, threads = Worker("test"), list[int](), set[str]()

    def work(number: int) -> int:
        threads.add(threading.current_thread().name)
        done.append(number)
        return number * 2

    results = await asyncio.gather(*(worker.run(lambda number=number: work(number)) for number in range(20)))
    worker.stop()
    assert (results, done, threads) == ([number * 2 for number in range(20)], list(range(20)), {"test"})


async def test_an_error_is_whose_work_it_was_and_the_next_work_is_done() -> None:
    worker = Worker("test")

    def fails() -> None:
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        await worker.run(fails)
    assert await worker.run(lambda: 7) == 7
    worker.stop()


async def test_who_waits_no_longer_disturbs_nobody_and_stopping_waits_for_what_was_given() -> None:
    worker, begun, goes_on, done = Worker("test"), threading.Event(), threading.Event(), list[str]()

    def slow() -> None:
        begun.set()
        goes_on.wait()
        done.append("slow")

    waiting = worker.run(slow)
    worker.run(lambda: done.append("next"))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    goes_on.set()
    await asyncio.to_thread(worker.stop)
    assert done == ["slow", "next"]
    await asyncio.sleep(0)
    worker.stop()


def test_a_process_that_never_stops_it_ends_nevertheless() -> None:
    program = "import asyncio; from regent_runtime.audit.worker import Worker; print(asyncio.run(main()))"
    program = f"async def main(): return await Worker('test').run(lambda: 7)\n{program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("7\n", 0)
