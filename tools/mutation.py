"""One mutant: a module with one small change, as text and as instructions."""

import ast
import difflib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType

from entries import AT_IMPORT

SOURCES = ("crds/src", "operator/src", "runtime/src")


@dataclass(frozen=True)
class Mutant:
    """`module`: its file, relative to the root."""

    module: str
    source: str = field(repr=False)
    line: str
    """What is changed, stripped; several lines joined by a newline."""
    becomes: str
    at: int
    """The number of the first line that is changed."""
    function: str
    """The outermost function in whose body the change is, by its qualified name; AT_IMPORT where it is in none."""

    @classmethod
    def of(cls, module: str, after: str) -> "Mutant":
        old, new = _text(module).splitlines(), after.splitlines()
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        changes = [each for each in matcher.get_opcodes() if each[0] != "equal"]
        first, last = changes[0], changes[-1]
        return cls(
            module,
            after,
            line="\n".join(map(str.strip, old[first[1] : last[2]])),
            becomes="\n".join(map(str.strip, new[first[3] : last[4]])),
            at=first[1] + 1,
            function=next(_around(ast.parse(_text(module)).body, first[1] + 1), AT_IMPORT),
        )

    @property
    def file(self) -> str:
        return str(Path(self.module).resolve())

    @property
    def name(self) -> str:
        """Of the module, as it is imported."""
        path = next(Path(self.module).relative_to(source) for source in SOURCES if self.module.startswith(source))
        parts = path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def code(self) -> CodeType:
        return _compiled(self.source, self.file)

    @property
    def is_none(self) -> bool:
        """Whether it compiles to the instructions of the module as it is."""
        return _bare(self.code) == _bare(self._original)

    @property
    def bodies(self) -> dict[CodeType, CodeType] | None:
        """The functions that it changes, and what they become; None where more than bodies of functions changes."""
        pairs: dict[CodeType, CodeType] = {}
        return pairs if _pair(self._original, self.code, pairs) else None

    @property
    def _original(self) -> CodeType:
        return _compiled(_text(self.module), self.file)

    def __str__(self) -> str:
        return f"{self.module}:{self.at} {self.function}\n      {self.line}\n    > {self.becomes}"


def _around(body: Iterable[ast.stmt], line: int, within: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _around(node.body, line, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _holds(node.body, line):
            yield f"{within}{node.name}"


def _holds(body: list[ast.stmt], line: int) -> bool:
    return body[0].lineno <= line <= (body[-1].end_lineno or line)


def _pair(before: CodeType, after: CodeType, pairs: dict[CodeType, CodeType]) -> bool:
    """Pair the functions that differ in two bodies of a module or class; whether nothing else differs."""
    if _shell(before) != _shell(after):
        return False
    for one, other in zip(_inner(before), _inner(after), strict=True):
        if not one.co_flags & CO_OPTIMIZED:
            if not _pair(one, other, pairs):
                return False
        elif _bare(one) != _bare(other):
            if one.co_freevars != other.co_freevars:
                return False
            pairs[one] = other
    return True


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _bare(code: CodeType) -> CodeType:
    """Without the places of lines and columns."""
    constants = tuple(_bare(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=b"", co_consts=constants)


def _shell(code: CodeType) -> CodeType:
    """With the names of what is defined in it alone, and without the places of lines and columns."""
    constants = tuple(each.co_name if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=b"", co_consts=constants)


@cache
def _text(module: str) -> str:
    return Path(module).read_text(encoding="utf-8")


def _compiled(source: str, file: str) -> CodeType:
    with warnings.catch_warnings(action="ignore"):  # `is` with a literal
        return compile(source, file, "exec", dont_inherit=True)
