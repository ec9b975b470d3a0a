"""API keys in files as the kubelet mounts them: rotation, weakness, absence. The files are what this part is about."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regent_runtime.callers import CallerKind, Callers, api_key
from regent_runtime.callers.api_key import ApiKeys, weakness
from regent_runtime.credentials import Credentials
from regent_runtime.refusals import Refused
from tests.enforces import enforces
from tests.fakes import configs

FILE = ("keys", "ci")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += api_key.LOOK_SECONDS
        return self.now


class Pod:
    """A pod's credentials, and the callers that a config with these lists of grants knows."""

    def __init__(self, directory: Path, *lists: list[dict[str, Any]], clock: Callable[[], float] | None = None) -> None:
        self.directory = directory
        config = configs.config(policy={"callers": {"apiKeys": list(lists)}})
        self.callers = Callers(config, Credentials(directory))
        self.callers.api_keys._clock = clock or Clock()

    def write(self, *lines: str, secret: str = "keys", key: str = "ci") -> str:
        """As the kubelet does: a new file in the old one's place. Gives the first line."""
        file = self.directory / secret / key
        file.parent.mkdir(exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(file)
        return lines[0]

    def code(self, value: str) -> str:
        try:
            self.callers.admit(self.callers.identify(f"Bearer {value}"))
        except Refused as refused:
            return refused.refusal.code
        return "admitted"


def grant(name: str = "ci", secret: str = "keys", key: str = "ci", **more: Any) -> dict[str, Any]:
    return {"name": name, "secretKeyRef": {"name": secret, "key": key}, **more}


def value() -> str:
    return secrets.token_hex(32)


@enforces("callers.apiKeys.secretKeyRef", "callers.apiKeys.groups")
def test_the_value_of_a_file_names_the_caller(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant(groups=["robots"])])
    key = pod.write(value())
    caller = pod.callers.identify(f"Bearer {key}")
    assert (caller.kind, caller.name, caller.groups) == (CallerKind.API_KEY, "ci", {"robots"})
    assert caller.identity == "apikey:demo/ci"
    assert pod.code(key) == "admitted"
    assert pod.code(value()) == "token_invalid"
    assert pod.code(key[:-1]) == "token_invalid"
    assert pod.code(key.upper()) == "token_invalid"


@enforces("callers.apiKeys.secretKeyRef")
def test_where_no_policy_names_a_file_its_value_opens_nothing(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    assert pod.code(pod.write(value())) == "token_invalid"


def test_old_and_new_are_good_side_by_side_and_then_the_old_is_not(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    old, new = pod.write(value()), value()
    assert pod.code(new) == "token_invalid"
    pod.write(old, new)
    assert pod.code(old) == pod.code(new) == "admitted"
    pod.write(new)
    assert pod.code(old) == "token_invalid"
    assert pod.code(new) == "admitted"


def test_a_key_whose_file_has_gone_opens_nothing_more(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    key = pod.write(value())
    assert pod.code(key) == "admitted"
    (tmp_path / "keys" / "ci").unlink()
    assert pod.code(key) == "token_invalid"
    assert pod.callers.api_keys.missing() == ["keys/ci"]
    assert pod.callers.api_keys.problems() == ["keys/ci: missing"]


@pytest.mark.parametrize(
    "weak",
    ["secret", "a" * 64, "abcdefgh" * 8, "0123456789abcdef", secrets.token_hex(15), "p" * 2000, "täglich" * 9],
    ids=["short", "one letter", "a repetition", "64 bits", "120 bits", "too long", "not ASCII"],
)
def test_a_weak_value_is_not_accepted_and_not_quoted(tmp_path: Path, weak: str) -> None:
    pod = Pod(tmp_path, [grant()])
    good = value()
    pod.write(weak, good)
    assert pod.code(weak.encode("ascii", "replace").decode()) == "token_invalid"
    words = "".join(pod.callers.api_keys.problems())
    assert words.startswith("keys/ci: ")
    assert weak not in words
    assert good not in words


def test_one_weak_line_does_not_spoil_the_others(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    good = value()
    pod.write("short", good)
    assert (pod.code(good), pod.code("short")) == ("admitted", "token_invalid")
    assert pod.callers.api_keys.missing() == []
    assert "line 1 is too weak: make one of 128 random bits or more" in pod.callers.api_keys.problems()[0]


LONGEST = "".join(chr(33 + (at * 7 + at // 94) % 94) for at in range(1024))
"""Of every printable character, without a repeat."""


@pytest.mark.parametrize(
    ("text", "strong"),
    [
        (LONGEST, True),
        (LONGEST + "x", False),
        ("x" + LONGEST[:200] + " ", False),
        ("x" + LONGEST[:200] + "\x7f", False),
        ("x!~" + LONGEST[:20], True),
        ("0123456789" * 3 + "421", False),
        ("abcdefg" * 9 + "gfedc", False),
        ("abcdefgh" * 8 + "hgfed", True),
    ],
    ids=["longest", "too long", "a space", "a control", "first and last", "figures", "seven letters", "eight letters"],
)
def test_what_is_strong_ends_exactly_where_it_is_said_to(text: str, strong: bool) -> None:
    assert (weakness(text) is None) is strong


def test_a_file_holds_sixteen_values_and_no_more(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    keys = [value() for _ in range(17)]
    pod.write(*keys[:16])
    assert pod.code(keys[15]) == "admitted"
    pod.write(*keys)
    assert pod.code(keys[0]) == "token_invalid"


def test_a_file_has_64_kib_and_no_more(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    key = value()
    pod.write(key, " " * (65_536 - len(key) - 2))
    assert pod.code(key) == "admitted"
    pod.write(key, " " * (65_536 - len(key) - 1))
    assert pod.code(key) == "token_invalid"


def test_a_file_is_looked_at_again_after_half_a_second(tmp_path: Path) -> None:
    now = 0.0
    pod = Pod(tmp_path, [grant()], clock=lambda: now)
    old, new = pod.write(value()), value()
    assert pod.code(old) == "admitted"
    pod.write(new)
    now = 0.4
    assert (pod.code(old), pod.code(new)) == ("admitted", "token_invalid")
    now = 0.5
    assert (pod.code(old), pod.code(new)) == ("token_invalid", "admitted")


def test_what_is_no_file_of_values_is_told(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    assert pod.callers.api_keys.problems() == ["keys/ci: missing"]
    (tmp_path / "keys" / "ci").mkdir(parents=True)
    assert pod.callers.api_keys.problems() == ["keys/ci: cannot be read as ASCII text"]
    (tmp_path / "keys" / "ci").rmdir()
    pod.write(" ")
    assert pod.callers.api_keys.problems() == ["keys/ci: must hold 1 to 16 values, one a line"]
    pod.write(value())
    assert pod.callers.api_keys.problems() == []


@pytest.mark.parametrize(
    "make", [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(22), lambda: "sk-" + value()]
)
def test_random_values_of_128_bits_are_strong(make: Any) -> None:
    assert [weakness(make()) for _ in range(2000)] == [None] * 2000


def test_every_policys_list_must_let_the_caller_in(tmp_path: Path) -> None:
    both = Pod(tmp_path, [grant(), grant("ops", key="ops")], [grant()])
    ci, ops = both.write(value()), both.write(value(), key="ops")
    assert both.code(ci) == "admitted"
    assert both.code(ops) == "caller_not_allowed"


def test_a_name_stands_for_one_caller_in_every_list(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()], [grant("robot")], [grant()])
    key = pod.write(value())
    assert pod.code(key) == "caller_not_allowed"
    assert pod.callers.identify(f"Bearer {key}").identity == "apikey:demo/ci", "the first by name"


def test_groups_are_those_on_which_every_policy_agrees(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant(groups=["a", "b"])], [grant(groups=["b", "c"])])
    assert pod.callers.identify(f"Bearer {pod.write(value())}").groups == {"b"}


def test_nothing_is_kept_from_which_a_key_could_be_told(tmp_path: Path) -> None:
    pod = Pod(tmp_path, [grant()])
    key = pod.write(value())
    assert pod.code(key) == "admitted"
    assert key not in repr(vars(pod.callers.api_keys))
    assert key not in repr(vars(pod.callers))


def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    secret = value()
    (tmp_path / "outside").write_text(secret)
    credentials = Credentials(tmp_path / "credentials")
    assert ApiKeys(credentials.path, [("..", "outside"), (".", "..")]).holding(secret) == frozenset()
