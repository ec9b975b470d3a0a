"""Whether lists of subjects and groups, all of which must name a caller, can name one together.

Certain only where it says no: any token or key is presumed to prove any groups at once. Of a ServiceAccount they are
known, those that the API server gives it; nobody else has them.
"""

from collections.abc import Iterable, Iterator, Sequence

_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"

Named = tuple[frozenset[str], frozenset[str]]
"""Subjects and groups; a caller is named by one of either."""


def somebody(lists: Iterable[Named]) -> bool:
    """Whether there may be a caller whom every list names; where there is no list, nobody is named."""
    named = tuple(lists)
    return bool(named) and (_outside(named) or any(_account(named, *known) for known in _accounts(named)))


def _outside(named: Sequence[Named]) -> bool:
    """A caller that is no ServiceAccount: a member of every list's groups, or the subject of those that have none."""
    bare = [subjects for subjects, groups in named if all(map(_is_of_accounts, groups))]
    return not bare or any(not subject.startswith(_ACCOUNT) for subject in frozenset.intersection(*bare))


def _account(named: Sequence[Named], subject: str, namespace: str) -> bool:
    its = {_ACCOUNTS, f"{_ACCOUNTS}:{namespace}"}
    return all(subject in subjects or not its.isdisjoint(groups) for subjects, groups in named)


def _accounts(named: Sequence[Named]) -> Iterator[tuple[str, str]]:
    """The ServiceAccounts that are named, one of each namespace that is, and one of any: subject and namespace."""
    yield "", ""
    for subjects, groups in named:
        for subject in subjects:
            if subject.startswith(_ACCOUNT):
                yield subject, subject.removeprefix(_ACCOUNT).split(":")[0]
        for group in groups:
            if group.startswith(f"{_ACCOUNTS}:"):
                yield "", group.removeprefix(f"{_ACCOUNTS}:")


def _is_of_accounts(group: str) -> bool:
    return group == _ACCOUNTS or group.startswith(f"{_ACCOUNTS}:")
