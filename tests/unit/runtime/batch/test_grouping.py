from dataclasses import replace
from typing import Any

import pytest

from regent_api.config import AgentConfig
from regent_runtime.batch.grouping import MOST_TOGETHER, Question, groups, may_be_grouped
from regent_runtime.decision import Decision, Stage
from regent_runtime.guard.findings import MODEL, PATTERNS
from regent_runtime.record import TurnRecord
from regent_runtime.wire.images import Image
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

WATCHED = {"guardrails": {"input": {"injection": {"patterns": ["Audit"]}}}}


def config(grouping: str = "Similar", **more: Any) -> AgentConfig:
    provider = configs.provider_config("p", "http://127.0.0.1/v1")
    return configs.config(provider, batch={"grouping": grouping}, policy=WATCHED, **more)


def question(text: str = "How is Rome?", **more: Any) -> Question:
    made = {"max_output_tokens": None, "temperature": None, "forwarded": {}, **more}
    request = ChatRequest([{"role": "user", "content": text}], False, False, **made)
    return Question(request, config().route.providers, TurnRecord(sensitivity="Internal", subject="sa:a"))


def test_a_short_single_question_may_be_grouped_where_the_agent_groups_and_a_guard_looks() -> None:
    assert may_be_grouped(question(), config())
    assert may_be_grouped(question(forwarded={"top_p": 0.5, "seed": 1}), config())
    assert not may_be_grouped(question(), config("None"))
    unwatched = configs.config(
        batch={"grouping": "Similar"}, policy={"guardrails": {"input": {"injection": {"patterns": [], "model": []}}}}
    )
    assert not may_be_grouped(question(), unwatched)


@pytest.mark.parametrize(
    "other",
    [
        question("word " * 1000),
        question(" "),
        question(max_output_tokens=10),
        question(forwarded={"stop": ["x"]}),
        question(forwarded={"tools": [{}]}),
        question(forwarded={"response_format": {"type": "json_object"}}),
    ],
)
def test_what_speaks_of_the_form_of_an_answer_is_asked_alone(other: Question) -> None:
    assert not may_be_grouped(other, config())


def test_a_history_a_name_an_image_or_an_instruction_is_asked_alone() -> None:
    said = question().request
    longer = replace(said, messages=[*said.messages, *said.messages])
    named = replace(said, messages=[{**said.messages[0], "name": "ann"}])
    shown = replace(said, messages=[{"role": "user", "content": ["Look:", Image("image/png", "AAAA", 9, 9, "d")]}])
    told = replace(said, messages=[{"role": "system", "content": "How is Rome?"}])
    for request in (longer, named, shown, told):
        assert not may_be_grouped(replace(question(), request=request), config())


@pytest.mark.parametrize("field", [PATTERNS, MODEL])
def test_a_question_in_which_a_guard_saw_an_injection_stands_beside_no_other(field: str) -> None:
    seen = question()
    seen.record.decisions.append(Decision(Stage.INPUT, "Audit", field))
    assert not may_be_grouped(seen, config())
    of_a_shadow = question()
    of_a_shadow.record.decisions.append(Decision(Stage.INPUT, "Audit", field, shadow="acme/trial"))
    assert may_be_grouped(of_a_shadow, config())


def test_a_provider_that_keeps_to_no_schema_gets_no_group() -> None:
    loose = configs.config(configs.provider_config("p", "http://127.0.0.1/v1", capabilities={"jsonSchema": False}))
    assert not may_be_grouped(replace(question(), providers=loose.route.providers), config())


def test_questions_that_are_alike_go_together_in_the_order_of_the_batch() -> None:
    texts = ["How is Rome?", "Translate: good morning", "How is Oslo?", "Translate: good night"]
    assert groups([question(text) for text in texts]) == [[0, 2], [1, 3]]


def test_a_group_has_a_bound() -> None:
    sizes = [len(group) for group in groups([question(f"How is city {number}?") for number in range(20)])]
    assert sizes == [MOST_TOGETHER, MOST_TOGETHER, 20 - 2 * MOST_TOGETHER]


def changed(**fields: Any) -> Question:
    made = question()
    for name, value in fields.items():
        setattr(made.record, name, value)
    return made


@pytest.mark.parametrize(
    "other",
    [
        changed(sensitivity="Confidential"),
        changed(config="sha256:other"),
        changed(subject="sa:b"),
        replace(question(), providers=[]),
        question(temperature=0.5),
        question(forwarded={"top_p": 0.5}),
        replace(question(), request=replace(question().request, instructions="Other.")),
    ],
)
def test_whatever_differs_in_where_or_how_it_is_answered_goes_apart(other: Question) -> None:
    assert groups([question(), other]) == [[0], [1]]
    assert groups([question(), question()]) == [[0, 1]]
