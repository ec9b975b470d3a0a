"""verify, export and erase, for `regent audit` and for `python3 -I -m regent_api.audit` in a pod.

Data on stdout, words on stderr. Exit codes: 0 ok, 1 error, 2 usage, 3 a check failed, 4 nothing was found.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from regent_api.audit import content, segment
from regent_api.audit.erase import erase
from regent_api.audit.note import BadNote, Verifier
from regent_api.audit.record import Record, encode
from regent_api.audit.subjects import FILE, FORMS, KeyFile, SubjectKey, parse_subject
from regent_api.audit.verify import Verified, verify
from regent_api.audit.walk import Problem, Walk

OK, ERROR, USAGE, CHECK_FAILED, NOT_FOUND = range(5)
Run = Callable[[argparse.Namespace], int]


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Each sets `audit`, a Run: `asked.audit(asked)` is the exit code."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands.add_parser("verify", help="find what was changed in logs, and name the first bad record"))
    _add_export(commands.add_parser("export", help="print the records of logs as JSON, one a line"))
    _add_erase(commands.add_parser("erase", help="destroy what links a log to a person; the chain stays valid"))


def run(asked: argparse.Namespace) -> int:
    """Exit code. What the disk or a key's text refuses is one line on stderr."""
    if not asked.folder.is_dir():
        return _say(f"{asked.folder}: no such folder", NOT_FOUND)
    action: Run = asked.audit
    try:
        code = action(asked)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        code = ERROR
    except (OSError, BadNote, ValueError) as error:
        code = _say(str(error), ERROR)
    let_go_of_stdout()
    return code


def let_go_of_stdout() -> None:
    """What a pipe or a disk has not taken is given up: the interpreter would try again at its end, and say so."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(audit=_verify)
    _add_folder(parser)
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="the collector's verifier key (NAME+HASH+BASE64), or a file that holds it; without it nothing is signed",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a checkpoint that you kept: reveals a log that was set back together with its checkpoints; repeatable",
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="json: one object a log")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(audit=_export)
    _add_folder(parser)
    parser.add_argument(
        "--from", dest="start", type=int, default=0, metavar="SEQUENCE", help="first record (default: 0)"
    )
    parser.add_argument("--subject", type=_subject, metavar="SUBJECT", help=f"only records of this caller: {FORMS}")
    parser.add_argument("--content", action="store_true", help="with what was said, where --subject's key opens it")


def _add_erase(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(audit=_erase)
    _add_folder(parser)
    parser.add_argument("--subject", type=_subject, required=True, metavar="SUBJECT", help=FORMS)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a log's folder, or one above many")


def _subject(text: str) -> str:
    try:
        return parse_subject(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _verify(asked: argparse.Namespace) -> int:
    trusted = _key(asked.key) if asked.key else None
    found = verify(asked.folder, trusted, [path.read_text(encoding="utf-8") for path in asked.checkpoint])
    if not found:
        return _say(f"{asked.folder}: no audit log is at or below it", NOT_FOUND)
    for each in found:
        sys.stdout.write((_json(each) if asked.output == "json" else _text(each, signs=trusted is not None)) + "\n")
    return CHECK_FAILED if any(each.problem for each in found) else OK


def _export(asked: argparse.Namespace) -> int:
    if asked.content and not asked.subject:
        return _say("--content needs --subject, whose key opens it", USAGE)
    folders = segment.folders(asked.folder)
    if not folders:
        return _say(f"{asked.folder}: no audit log is at or below it", NOT_FOUND)
    broken = OK
    for folder in folders:
        for problem in _export_log(folder, asked):
            broken = _say(f"{folder}: {problem}", CHECK_FAILED)
    return broken


def _erase(asked: argparse.Namespace) -> int:
    erased = erase(asked.folder, asked.subject)
    if not erased.keys:
        return _say(f"no key of {asked.subject} is here: where that is its name, nothing links it any more", NOT_FOUND)
    sys.stdout.write(f"{erased.keys} keys destroyed, {erased.contents} pieces of content overwritten\n")
    return OK


def _export_log(folder: Path, asked: argparse.Namespace) -> Iterator[Problem]:
    """Prints records as far as the chain holds; gives what is wrong."""
    pseudonym, contents = _of_subject(folder, asked)

    def show(record: Record) -> None:
        if record.sequence < asked.start or (asked.subject and record.caller != pseudonym):
            return
        line: dict[str, Any] = {"log": walk.log, **msgspec.json.decode(encode(record))}
        if record.content is not None and (record.turn, str(record.kind)) in contents:
            line["texts"] = contents[record.turn, str(record.kind)]
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")

    walk = Walk(frozenset(), show)
    walk.through(segment.segments(folder))
    if walk.problem:
        yield walk.problem


def _of_subject(folder: Path, asked: argparse.Namespace) -> tuple[str, dict[tuple[str, str], list[str]]]:
    """The subject's pseudonym in this log, and what was said, by turn and kind of record."""
    if not asked.subject:
        return "", {}
    for place in (folder, folder.parent):  # in the pod beside the log, at a collector beside the agent's logs
        if (place / FILE).is_file():
            file = KeyFile(place / FILE)
            key = file.get(asked.subject)
            file.close()
            if key is not None:
                return key.pseudonym, _said(folder, key) if asked.content else {}
    return "nobody", {}


def _said(folder: Path, key: SubjectKey) -> dict[tuple[str, str], list[str]]:
    found = ((turn, msgspec.json.decode(text)) for turn, text in content.texts(folder, key))
    return {(turn, said["kind"]): said["texts"] for turn, said in found}


def _key(text: str) -> Verifier:
    path = Path(text)
    return Verifier.parse(path.read_text(encoding="utf-8") if path.is_file() else text)


def _text(found: Verified, *, signs: bool) -> str:
    name = found.log or str(found.folder)
    if found.problem:
        return f"{name}: BAD: {found.problem}"
    words = [f"{name}: records {found.first} to {found.size - 1}" if found.size else f"{name}: no records"]
    words.append(f"signed up to {found.signed - 1}" if signs else "unsigned: no key was given")
    cut = list(found.interrupted)
    words += [f"{len(cut)} turns or actions interrupted: {', '.join(cut[:5])}"] * bool(cut)
    words += [f"{found.lost} records lost by the writer"] * bool(found.lost)
    words += [f"{found.torn} bytes of a torn end"] * bool(found.torn)
    return "; ".join(words)


def _json(found: Verified) -> str:
    return msgspec.json.encode(
        {
            "log": found.log,
            "folder": str(found.folder),
            "first": found.first,
            "size": found.size,
            "signed": found.signed,
            "interrupted": list(found.interrupted),
            "lost": found.lost,
            "tornBytes": found.torn,
            "problem": {"sequence": found.problem.sequence, "at": found.problem.at, "what": found.problem.what}
            if found.problem
            else None,
        }
    ).decode()


def _say(words: str, code: int) -> int:
    sys.stderr.write(words + "\n")
    return code
