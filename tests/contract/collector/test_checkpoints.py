"""When the collector signs, in virtual time: a second after a record, or as soon as a log has 256 that are not signed."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regent_api.audit import segment
from regent_api.audit.frame import Damaged
from regent_api.audit.log import Log
from regent_api.audit.note import Signer
from regent_api.audit.verify import verify
from regent_operator.collector.checkpoints import Checkpoints, write
from regent_operator.collector.intake import Intake
from regent_operator.collector.logs import Logs
from regent_operator.collector.tokens import Origin
from tests.fakes import virtual_time
from tests.fakes.audit import NAME, turns
from tests.fakes.collecting import OTHER_POD, POD, Writer

SIGNER = Signer("collector", Ed25519PrivateKey.generate())
LONG = 60.0


async def signings(folder: Path, sent: Sequence[tuple[float, str, int]]) -> list[tuple[float, int]]:
    """Moments at which records were signed, and how many, when so many came from a pod at a moment."""
    loop = asyncio.get_running_loop()
    intake, seen = Intake(Logs(folder, most_bytes=1 << 30)), []
    checkpoints = Checkpoints(intake, SIGNER, lambda count: seen.append((loop.time(), count)))
    intake.told.append(checkpoints.taken)
    writers = {pod: Writer(pod) for _, pod, _ in sent}
    signing = asyncio.create_task(checkpoints.run())
    for moment, pod, count in sent:
        await asyncio.sleep(moment - loop.time())
        await intake.take(Origin("demo", "helper", pod), writers[pod].write(count))
    await asyncio.sleep(LONG)
    signing.cancel()
    with suppress(asyncio.CancelledError):
        await signing
    assert checkpoints.waiting == 0
    return seen


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([(0.0, POD, 1)], [(1.0, 1)]),
        ([(0.0, POD, 255)], [(1.0, 255)]),
        ([(0.0, POD, 256)], [(0.0, 256)]),
        ([(0.0, POD, 200), (0.5, POD, 100)], [(0.5, 300)]),
        ([(0.0, POD, 100), (0.5, POD, 100)], [(1.0, 200)]),
        ([(0.0, POD, 255), (0.25, OTHER_POD, 255)], [(1.0, 255), (1.0, 255)]),
        ([(0.0, POD, 256), (0.25, POD, 1)], [(0.0, 256), (1.25, 1)]),
    ],
)
def test_a_record_is_signed_within_a_second_and_256_at_once(
    tmp_path: Path, sent: list[tuple[float, str, int]], expected: list[tuple[float, int]]
) -> None:
    assert virtual_time.run(signings(tmp_path, sent)) == expected
    for found in verify(tmp_path, SIGNER.verifier):
        assert (found.signed, found.problem) == (found.size, None)


def test_a_file_of_checkpoints_that_a_disk_changed_is_not_written_anew(tmp_path: Path) -> None:
    """What stands behind the changed one would be forgotten, and a log that was set back could be signed."""
    log = Log(tmp_path, NAME)
    for _ in range(3):
        log.append(turns(1))
        write(log, SIGNER)
    path = tmp_path / segment.CHECKPOINTS
    data = bytearray(path.read_bytes())
    data[20] ^= 4
    path.write_bytes(data)
    with pytest.raises(Damaged):
        write(log, SIGNER)
    log.close()
    assert path.read_bytes() == bytes(data)
