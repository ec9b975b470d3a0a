"""Where records go on: each at least once, in order, also when what takes them was away."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.fakes.collecting import OTHER_POD, POD, Writer, collector, token
from tests.fakes.waiting import eventually


class Webhook:
    """Takes what is posted, unless it is told to answer with another status."""

    def __init__(self) -> None:
        self.status = 200
        self.refused = 0
        self.lines: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status == 200:
            self.lines += body.splitlines()
        else:
            self.refused += 1
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[Webhook, str]]:
    taking = Webhook()
    application = web.Application()
    application.router.add_post("/in", taking.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield taking, f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    finally:
        await runner.cleanup()


def line(log: str, payload: bytes) -> dict[str, object]:
    return {"log": log, "record": json.loads(payload)}


async def test_json_lines_on_standard_output_are_the_records_with_their_log(tmp_path: Path) -> None:
    async with collector(tmp_path, "--json-lines") as at:
        writer = Writer()
        await at.take(writer.write(3))
        lines = await at.lines(3)
    assert [json.loads(each) for each in lines] == [line(f"demo/helper/{POD}", each) for each in writer.payloads]


async def test_a_webhook_that_was_away_gets_every_record_in_order_also_over_a_restart(tmp_path: Path) -> None:
    async with webhook() as (taking, url), collector(tmp_path, "--webhook", url) as at:

        async def count() -> int:
            return len(taking.lines)

        async def refused() -> int:
            return taking.refused

        writer = Writer()
        await at.take(writer.write(250))
        await eventually(count, lambda lines: lines == 250)
        taking.status = 503
        await at.take(writer.write(2))
        await eventually(refused, lambda times: times > 0)
        told = 'regent_collector_sink_errors_total{sink="webhook"}'
        await eventually(lambda: at.said("/metrics"), lambda figures: told in figures)
        await at.kill()
        await at.start()
        taking.status = 302
        times = taking.refused
        await eventually(refused, lambda now: now > times)
        taking.status = 200
        await eventually(count, lambda lines: lines == 252)
        assert [json.loads(each) for each in taking.lines] == [
            line(f"demo/helper/{POD}", each) for each in writer.payloads
        ]


async def test_every_log_is_delivered(tmp_path: Path) -> None:
    async with webhook() as (taking, url), collector(tmp_path, "--webhook", url) as at:

        async def logs() -> set[str]:
            return {json.loads(each)["log"] for each in taking.lines}

        await at.take(Writer().write(1))
        assert (await at.post(Writer(pod=OTHER_POD).write(1), token(OTHER_POD)))[0] == 200
        await eventually(logs, lambda found: found == {f"demo/helper/{POD}", f"demo/helper/{OTHER_POD}"})


async def test_what_is_remembered_of_a_log_that_is_gone_goes_with_the_next_start(tmp_path: Path) -> None:
    async with webhook() as (_, url), collector(tmp_path, "--webhook", url) as at:

        async def cursors() -> list[Path]:
            return [path for path in (at.data / "sinks").rglob("*") if path.is_file()]

        await at.take(Writer().write(1))
        await eventually(cursors, lambda found: len(found) == 1)
        await at.kill()
        shutil.rmtree(at.logs / "demo")
        await at.start()
        await eventually(cursors, lambda found: not found)
