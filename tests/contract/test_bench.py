"""`make bench-runtime` runs: its processes start, answer and end, and each row has its figures."""

import re

from tests.bench.runtime import Amount, rows, run


def test_each_row_of_the_benchmark_has_its_figures() -> None:
    found = rows(run(Amount(rounds=1, starts=1, sequential=3, parallel=30, streams=8)))
    assert [what for what, *_ in found] == [
        "cold start, s",
        "idle RSS, MB",
        "RSS after the load, MB",
        "added latency p50, ms",
        "requests/s a core",
        "CPU a streamed chunk, us",
    ]
    for what, regent, bare, ratio, _ in found:
        figures = [regent] if "RSS" in what or "start" in what else [regent, bare, ratio]
        assert all(re.fullmatch(r"-?\d+(\.\d+)?", figure) for figure in figures), what
    assert 10 < float(found[1][1]) <= float(found[2][1])
