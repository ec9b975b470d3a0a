"""Texts as the injection model weighs them: a row of a matrix for each stretch, with how often each slot occurs in it by
the root of its length. Runs of three have the second half of the columns."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from math import sqrt
from typing import Any

from regent_runtime.guard import injection
from regent_runtime.guard.normalise import fold


@dataclass(frozen=True)
class Rows:
    """Of some texts, in their order."""

    matrix: Any
    """Sparse."""
    begins: list[int]
    """The first row of each text, and how many rows there are."""

    def worst(self, weights: Any) -> list[int]:
        """The row of each text that weighs most."""
        weighed = self.matrix @ weights
        return [
            begin + int(weighed[begin:end].argmax()) for begin, end in zip(self.begins, self.begins[1:], strict=False)
        ]


def rows(texts: Iterable[str], most: int | None = None) -> Rows:
    """`most`: stretches of a text that are taken; None takes them all."""
    from scipy import sparse

    columns, values, pointers, begins = array("i"), array("f"), array("q", [0]), [0]
    for text in texts:
        tokens = injection.tokens_of(folded(text))
        *short, threes = injection.hashed(tokens)
        runs = (*short, [injection.SLOTS + run for run in threes])
        for begin, end in islice(injection.stretches(len(tokens)), most):
            for each in runs:
                columns.extend(each[begin:end])
            values.extend([1 / sqrt(max(end - begin, injection.LEAST_TOKENS))] * (len(columns) - len(values)))
            pointers.append(len(columns))
        begins.append(len(pointers) - 1)
    shape = (len(pointers) - 1, injection.TABLES * injection.SLOTS)
    matrix = sparse.csr_matrix((values, columns, pointers), shape=shape)
    matrix.sum_duplicates()
    return Rows(matrix, begins)


def folded(text: str) -> bytes:
    """What the model reads of a text."""
    return fold(text).encode("utf-8", "replace")
