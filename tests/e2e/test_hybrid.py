"""examples/hybrid on a real node: the small model of the house, and two clouds that fail in every way they can.

What is critical reaches no cloud whatever fails; what is not is answered by the second cloud when the first fails
before a word; and callers, audit log and `regent explain` tell the same.
"""

import json
from collections.abc import Iterator

import pytest

from tests.e2e import hybrid
from tests.e2e.conftest import Installed
from tests.e2e.hybrid import CLOUDS, CONFIDENTIAL, OUTSIDE, WHERE, Hybrid

SECRET = "The merger is called Nightingale."
FAULTS = {
    "error": "server_error",
    "overloaded": "overloaded",
    "rate-limited": "rate_limited",
    "quota": "quota_exhausted",
}
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def whole(regent: Installed) -> Iterator[Hybrid]:
    with hybrid.applied(regent) as example:
        yield example


@pytest.fixture
def world(whole: Hybrid) -> Hybrid:
    whole.until_well()
    return whole


def assert_the_second_answers(world: Hybrid, failure: str, *, stream: bool) -> None:
    before = world.counts()
    answer = world.ask(stream=stream)
    assert (answer.status, answer.text, answer.done, answer.error) == (200, "from cloud-b", stream, None)
    audited = world.audited("assistant", answer)
    assert audited.tried[-1] == ("cloud-b", "answered")
    assert set(audited.tried[:-1]) == {("cloud-a", failure)}
    assert audited.attempts == [provider for provider, _ in audited.tried]
    sent = {cloud: count - before[cloud] for cloud, count in world.counts().items()}
    assert sent == {cloud: audited.attempts.count(cloud) for cloud in CLOUDS}, "each attempt is in the log"


def test_a_general_turn_goes_to_the_first_cloud_with_the_clouds_own_key(world: Hybrid) -> None:
    before = world.counts()
    answers = [world.ask(stream=stream) for stream in (False, True)]
    assert [answer.text for answer in answers] == ["from cloud-a"] * 2
    assert world.counts() == {"cloud-a": before["cloud-a"] + 2, "cloud-b": before["cloud-b"]}
    assert {each["key"] for each in world.seen("cloud-a")} == {"Bearer stand-in-a"}
    assert world.audited("assistant", answers[1]).tried == [("cloud-a", "answered")]


@STREAMED
@pytest.mark.parametrize(
    ("agent", "headers"), [("assistant", CONFIDENTIAL), ("personnel", {})], ids=["declared", "of its agent"]
)
def test_a_confidential_turn_is_answered_in_the_house(
    world: Hybrid, agent: str, headers: dict[str, str], stream: bool
) -> None:
    before = world.counts()
    answer = world.ask(agent, SECRET, headers=headers, stream=stream)
    assert answer.status == 200
    assert answer.finish in {"stop", "length", None}
    audited = world.audited(agent, answer)
    assert (audited.outcome["sensitivity"], audited.outcome["rule"]) == ("Confidential", "critical")
    assert audited.tried == [("onprem", "answered")]
    assert audited.attempts == ["onprem"]
    assert world.counts() == before
    assert SECRET not in json.dumps([world.seen(cloud) for cloud in CLOUDS])


def test_what_follows_in_a_conversation_that_was_confidential_stays_in_the_house(world: Hybrid) -> None:
    before = world.counts()
    began = world.ask(prompt=SECRET, headers=CONFIDENTIAL)
    onwards = world.ask(headers={"x-regent-conversation": began.headers["x-regent-conversation"]})
    assert onwards.status == 200
    assert world.audited("assistant", onwards).tried == [("onprem", "answered")]
    assert world.counts() == before


@STREAMED
@pytest.mark.parametrize("mode", FAULTS)
def test_with_the_first_cloud_faulty_the_second_answers(world: Hybrid, mode: str, stream: bool) -> None:
    world.switch("cloud-a", mode)
    assert_the_second_answers(world, FAULTS[mode], stream=stream)


@STREAMED
def test_an_answer_that_ends_before_its_first_word_is_none(world: Hybrid, stream: bool) -> None:
    world.switch("cloud-a", "truncated")
    assert_the_second_answers(world, "incomplete" if stream else "disconnected", stream=stream)


def test_a_cloud_that_hangs_is_left_in_time(world: Hybrid) -> None:
    with world.timeouts(firstToken="10s", attempt="15s"):
        world.until_well()
        world.switch("cloud-a", "hang")
        assert_the_second_answers(world, "first_token_timeout", stream=True)
        world.until_well()
        world.switch("cloud-a", "hang")
        assert_the_second_answers(world, "attempt_timeout", stream=False)


def test_a_stream_that_breaks_off_after_words_is_an_error_and_never_switches(world: Hybrid) -> None:
    world.switch("cloud-a", "cut")
    before = world.counts()
    answer = world.ask(stream=True)
    assert answer.status == 200
    assert answer.text.startswith("word0 word1 ")
    assert (answer.finish, answer.error["code"], answer.done) == (None, "provider_failed", False)
    assert world.counts()["cloud-b"] == before["cloud-b"]
    audited = world.audited("assistant", answer)
    assert (audited.outcome["outcome"], audited.tried) == ("interrupted", [("cloud-a", "incomplete")])


@STREAMED
def test_a_content_filter_is_passed_on_and_not_asked_around(world: Hybrid, stream: bool) -> None:
    world.switch("cloud-a", "content-filter")
    before = world.counts()
    answer = world.ask(stream=stream)
    assert (answer.status, answer.code, answer.headers["x-should-retry"]) == (400, "content_filter", "false")
    assert world.audited("assistant", answer).tried == [("cloud-a", "content_filter")]
    assert world.counts()["cloud-b"] == before["cloud-b"]


@STREAMED
@pytest.mark.parametrize(
    ("first", "second", "status", "code"),
    [
        ("error", "error", 502, "provider_failed"),
        ("error", "rate-limited", 502, "provider_failed"),
        ("rate-limited", "rate-limited", 429, "provider_rate_limited"),
        ("error", "content-filter", 400, "content_filter"),
    ],
)
def test_with_both_faulty_the_caller_learns_what_the_reference_says(
    world: Hybrid, first: str, second: str, status: int, code: str, stream: bool
) -> None:
    world.switch("cloud-a", first)
    world.switch("cloud-b", second)
    answer = world.ask(stream=stream)
    assert (answer.status, answer.code) == (status, code)
    assert ("retry-after" in answer.headers) == ("rate-limited" in {first, second})
    tried = world.audited("assistant", answer).tried
    outcomes = {**FAULTS, "content-filter": "content_filter"}
    assert set(tried) == {("cloud-a", outcomes[first]), ("cloud-b", outcomes[second])}
    planned = world.explained("assistant")
    assert (planned["rule"], planned["providers"]) == ("general", list(dict.fromkeys(each for each, _ in tried)))


def test_explain_names_whom_a_confidential_turn_is_answered_by(world: Hybrid) -> None:
    answer = world.ask(prompt=SECRET, headers=CONFIDENTIAL)
    audited = world.audited("assistant", answer)
    planned = world.explained("assistant", "--sensitivity", "Confidential")
    assert (planned["rule"], planned["providers"]) == (audited.outcome["rule"], audited.attempts)


def test_a_cloud_that_is_gone_is_asked_around(world: Hybrid) -> None:
    world.scale("cloud-a", OUTSIDE, 0)
    answer = world.ask()
    world.scale("cloud-a", OUTSIDE, 1)
    assert answer.text == "from cloud-b"
    tried = world.audited("assistant", answer).tried
    assert tried[-1] == ("cloud-b", "answered")
    assert {outcome for _, outcome in tried[:-1]} <= {"connect", "connect_timeout"}


@STREAMED
def test_without_the_model_of_the_house_a_confidential_turn_fails_and_reaches_no_cloud(
    world: Hybrid, stream: bool
) -> None:
    before = world.counts()
    world.scale("onprem", WHERE, 0)
    answer = world.ask("personnel", SECRET, stream=stream)
    world.scale("onprem", WHERE, 1)
    assert (answer.status, answer.code) in {(502, "provider_failed"), (504, "provider_timeout")}
    assert {provider for provider, _ in world.audited("personnel", answer).tried} == {"onprem"}
    assert world.counts() == before
