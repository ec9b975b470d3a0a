"""What keeps two questions apart that are near each other."""

import pytest

from regent_runtime.cache.meaning import MOST_CHARACTERS, Wording, objection, rest


def between(one: str, other: str) -> str:
    there = objection(Wording(one), Wording(other))
    assert objection(Wording(other), Wording(one)) == there, "which one was there first does not matter"
    return there


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "How can I reset my password?"),
        ("What is the capital of France?", "Tell me the capital of France, please."),
        ("How do I turn on dark mode?", "How can I enable dark mode?"),
        ("How do I disable the firewall?", "How can I turn the firewall off?"),
        ("How can I scale a Kubernetes deployment?", "How do I scale a deployment in Kubernetes?"),
        ('What does "out of memory" mean?', "What is the meaning of 'out of memory'?"),
        ("Is 5 kg too heavy?", "Is 5 kilograms too heavy?"),
        ("What can I not do?", "What can't I do?"),
    ],
)
def test_other_words_for_the_same(one: str, other: str) -> None:
    assert between(one, other) == ""


@pytest.mark.parametrize(
    ("why", "one", "other"),
    [
        ("negation", "Is the office open?", "Is the office not open?"),
        ("negation", "How do I delete files with confirmation?", "How do I delete files without confirmation?"),
        ("negation", "Who may enter?", "Who mayn't enter?"),
        ("opposites", "How do I enable notifications?", "How do I disable notifications?"),
        ("opposites", "How do I turn on dark mode?", "How do I turn off dark mode?"),
        ("opposites", "When is a contract valid?", "When is a contract invalid?"),
        ("opposites", "What must the buyer pay?", "What must the seller pay?"),
        ("figures", "What is 15% of 200?", "What is 20% of 200?"),
        ("figures", "How do I upgrade from 1.29 to 1.30?", "How do I upgrade from 1.30 to 1.29?"),
        ("figures", "A table for two, please.", "A table for three, please."),
        ("figures", "Is 5 kg too heavy?", "Is 5 g too heavy?"),
        ("figures", "How far is it in kilometers?", "How far is it in miles?"),
        ("figures", "Convert euros to dollars.", "Convert dollars to euros."),
        ("figures", "Who is on call today?", "Who is on call tomorrow?"),
        ("figures", "What happened on June 5?", "What happened on July 5?"),
        ("names", "What is the capital of France?", "What is the capital of Germany?"),
        ("figures", "What does error E1001 mean?", "What does error E1002 mean?"),
        ("names", "How do I get from London to Paris?", "How do I get from Paris to London?"),
        ("names", "How do I export a chart as PNG?", "How do I export a chart as SVG?"),
        ("quoted", 'What does "fail fast" mean?', 'What does "fail safe" mean?'),
        ("quoted", "How do I run `git fetch`?", "How do I run `git rebase`?"),
        ("question", "When was the contract signed?", "Where was the contract signed?"),
        ("question", "What is the fee for a transfer?", "Why is there a fee for a transfer?"),
        ("order", "What does the cook give the guest?", "What does the guest give the cook?"),
        ("more", "How do I get a loan?", "How do I get a student loan?"),
    ],
)
def test_what_asks_for_another_answer(why: str, one: str, other: str) -> None:
    assert between(one, other) == why


def test_what_is_left_when_all_that_both_say_is_taken_away() -> None:
    assert rest(Wording("How do I cook rice?"), Wording("How do I cook pasta?")) == ("rice", "pasta")
    assert rest(Wording("How do I cook rice?"), Wording("How can I cook rice?")) is None


@pytest.mark.parametrize(
    ("text", "comparable"),
    [
        ("How do I reset my password?", True),
        ("Wie schalte ich die Benachrichtigungen ein?", False),
        ("reset password", False),
        ("", False),
        ("Is it so? " * MOST_CHARACTERS, False),
    ],
)
def test_only_short_english_is_compared(text: str, comparable: bool) -> None:
    assert Wording(text).comparable is comparable
