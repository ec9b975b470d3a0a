from regent_runtime.limits.estimate import estimate
from regent_runtime.prompt import weight
from regent_runtime.wire.request import ChatRequest
from tests.fakes import configs

ASKED = {"role": "user", "content": "word " * 50}
OLD = {"role": "assistant", "content": "word " * 200}
TOLD = {"role": "system", "content": "word " * 30}
REQUEST = ChatRequest([TOLD, {"role": "user", "content": "word "}, OLD, ASKED], False, False, None, None, {})


def test_instructions_every_message_and_definitions_of_tools_count() -> None:
    config = configs.config(instructions="word " * 100)
    plain = weight.of_prompt(REQUEST, config)
    assert plain >= estimate("word " * 381)
    tools = ChatRequest(REQUEST.messages, False, False, None, None, {"tools": [{"description": "word " * 100}]})
    assert weight.of_prompt(tools, config) >= plain + estimate("word " * 100)


def test_what_is_never_taken_out_is_all_unless_the_agent_shortens() -> None:
    whole = configs.config(instructions="word " * 100)
    assert weight.at_least(REQUEST, whole, 777) == 777
    prompt = {"whenTooLong": "Shorten", "shortInstructions": "word " * 10}
    short = configs.config(instructions="word " * 100, prompt=prompt)
    assert weight.at_least(REQUEST, short, 777) == weight.of_fixed(REQUEST, "word " * 10) + weight.of_messages(
        [TOLD, ASKED]
    )
