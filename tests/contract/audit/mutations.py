"""Ways to change a log that is signed to its end, by somebody who can write every file and has every key but one."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from regent_api.audit import segment
from regent_api.audit.chain import Chain
from regent_api.audit.frame import CHECKPOINT, RECORD, frame, frames
from regent_api.audit.record import decode
from regent_api.audit.verify import verify
from tests.fakes.audit import NAME, SIGNER, record

Mutation = Callable[[Path, random.Random], None]


def records(path: Path) -> list[bytes]:
    return [bytes(each.payload) for each in segment.opened(path.read_bytes())[1]]


def rewrite(path: Path, payloads: list[bytes]) -> None:
    """With good frames around them."""
    chain, _ = segment.opened(path.read_bytes())
    path.write_bytes(segment.header(chain) + b"".join(frame(RECORD, payload) for payload in payloads))


def a_segment(folder: Path, dice: random.Random) -> Path:
    return dice.choice(segment.segments(folder))


def flip_a_bit(folder: Path, dice: random.Random) -> None:
    path = a_segment(folder, dice)
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def edit_a_record(folder: Path, dice: random.Random) -> None:
    """One that reads as a record, with a good checksum."""
    path = a_segment(folder, dice)
    payloads = records(path)
    at = dice.randrange(len(payloads))
    payloads[at] = payloads[at].replace(b'"turn":"turn-', b'"turn":"burn-')
    rewrite(path, payloads)


def delete_a_record(folder: Path, dice: random.Random) -> None:
    path = a_segment(folder, dice)
    payloads = records(path)
    del payloads[dice.randrange(len(payloads))]
    rewrite(path, payloads)


def repeat_a_record(folder: Path, dice: random.Random) -> None:
    path = a_segment(folder, dice)
    payloads = records(path)
    payloads.insert(dice.randrange(len(payloads) + 1), dice.choice(payloads))
    rewrite(path, payloads)


def swap_two_records(folder: Path, dice: random.Random) -> None:
    path = a_segment(folder, dice)
    payloads = records(path)
    one, two = dice.sample(range(len(payloads)), 2)
    payloads[one], payloads[two] = payloads[two], payloads[one]
    rewrite(path, payloads)


def cut_the_end(folder: Path, dice: random.Random) -> None:
    """At any byte, the later files too."""
    files = segment.segments(folder)
    at = dice.randrange(len(files))
    data = files[at].read_bytes()
    files[at].write_bytes(data[: dice.randrange(len(data))])
    for path in files[at + 1 :]:
        path.unlink()


def cut_the_beginning(folder: Path, dice: random.Random) -> None:
    files = segment.segments(folder)
    for path in files[: dice.randrange(1, len(files))]:
        path.unlink()


def lose_a_segment(folder: Path, dice: random.Random) -> None:
    a_segment(folder, dice).unlink()


def lose_every_segment(folder: Path, dice: random.Random) -> None:
    for path in segment.segments(folder):
        path.unlink()


def swap_two_segments(folder: Path, dice: random.Random) -> None:
    one, two = dice.sample(segment.segments(folder), 2)
    left, right = one.read_bytes(), two.read_bytes()
    one.write_bytes(right)
    two.write_bytes(left)


def fork(folder: Path, dice: random.Random) -> None:
    """From some record on, another history with a chain that holds, in place of the true one."""
    files = segment.segments(folder)
    at = dice.randrange(len(files))
    chain, _ = segment.opened(files[at].read_bytes())
    data, every = segment.header(chain), [payload for path in files[at:] for payload in records(path)]
    begin = dice.randrange(len(every))
    for number, payload in enumerate(every):
        true = decode(payload)
        data += frame(RECORD, chain.seal(replace(true, code="forged") if number >= begin else true))
    files[at].write_bytes(data)
    for path in files[at + 1 :]:
        path.unlink()


def rewrite_it_all(folder: Path, dice: random.Random) -> None:
    """A log of the same length that never was."""
    size = sum(len(records(path)) for path in segment.segments(folder))
    for path in segment.segments(folder):
        path.unlink()
    chain = Chain(NAME)
    data = segment.header(chain) + b"".join(frame(RECORD, chain.seal(record())) for _ in range(size))
    (folder / segment.name(0)).write_bytes(data)


def edit_a_header(folder: Path, dice: random.Random) -> None:
    path = a_segment(folder, dice)
    chain, _ = segment.opened(path.read_bytes())
    old = len(segment.header(chain))
    rest = path.read_bytes()[old:]
    match dice.randrange(3):
        case 0:
            chain.head = bytes(dice.randrange(256) for _ in range(32))
        case 1:
            chain.log += "x"
        case 2:
            chain.tree.append(bytes(32))
    path.write_bytes(segment.header(chain) + rest)


def edit_a_checkpoint(folder: Path, dice: random.Random) -> None:
    path = folder / segment.CHECKPOINTS
    notes = [bytes(each.payload) for each in frames(path.read_bytes())]
    at = dice.randrange(len(notes))
    note = bytearray(notes[at])
    note[dice.randrange(len(note) - 2)] ^= 1
    notes[at] = bytes(note)
    path.write_bytes(b"".join(frame(CHECKPOINT, each) for each in notes))


def lose_the_checkpoints(folder: Path, dice: random.Random) -> None:
    (folder / segment.CHECKPOINTS).unlink()


def take_the_checkpoints_of_another_log(folder: Path, dice: random.Random) -> None:
    shutil.copy(folder.parent / "other" / segment.CHECKPOINTS, folder / segment.CHECKPOINTS)


MUTATIONS: tuple[Mutation, ...] = (
    flip_a_bit,
    edit_a_record,
    delete_a_record,
    repeat_a_record,
    swap_two_records,
    cut_the_end,
    cut_the_beginning,
    lose_a_segment,
    lose_every_segment,
    swap_two_segments,
    fork,
    rewrite_it_all,
    edit_a_header,
    edit_a_checkpoint,
    lose_the_checkpoints,
    take_the_checkpoints_of_another_log,
)


def missed(logs: Path, workplace: Path, count: int, seed: int = 4) -> list[tuple[int, str]]:
    """The mutants of LOGS/log that verification does not find, of so many; LOGS/other lends its checkpoints."""
    dice, unseen = random.Random(seed), []
    files = {path.name: path.read_bytes() for path in (logs / "log").iterdir() if path.is_file()}
    shutil.copytree(logs / "other", workplace / "other")
    for number in range(count):
        mutation, copy = MUTATIONS[number % len(MUTATIONS)], workplace / "log"
        copy.mkdir()
        for name, data in files.items():
            (copy / name).write_bytes(data)
        mutation(copy, dice)
        found = verify(copy, SIGNER.verifier)
        if not found or found[0].problem is None:
            unseen.append((number, mutation.__name__))
        shutil.rmtree(copy)
    return unseen
