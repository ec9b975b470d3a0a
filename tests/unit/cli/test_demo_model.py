import pytest

from regent_api.config import AgentConfig
from regent_api.policy import ModelAllow
from regent_operator.cli.demo_model import served_hosts, stand_in
from regent_operator.cli.planning import plan_all
from tests.unit.cli.worlds import AGENT, MODEL, ROUTE, bundle

HOSTS = frozenset({"demo.models.svc"})


def config_of(*texts: str) -> AgentConfig:
    return plan_all(bundle(*texts), None, "regent-system", {"keys": []})["shop/helper"].config


@pytest.mark.parametrize(
    "image",
    [
        "regent-demo-model:0.1.0",
        "regent-demo-model",
        "example.com/team/regent-demo-model@sha256:00",
        "localhost/regent-demo-model:dev",
    ],
)
def test_the_demo_model_is_recognised_by_the_image_behind_the_service(image: str) -> None:
    world = bundle(AGENT, ROUTE, MODEL.replace("localhost/regent-demo-model:0.1.0", image))

    assert served_hosts(world, world.routes["shop/models"]) == HOSTS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("localhost/regent-demo-model:0.1.0", "localhost/regent-demo-model-two:1"),
        ("localhost/regent-demo-model:0.1.0", "vllm/vllm-openai:1"),
        ("selector: {app: model}", "selector: {app: another}"),
        ("selector: {app: model}, ", ""),
        ("name: demo, namespace: models", "name: demo, namespace: elsewhere"),
    ],
)
def test_nothing_else_is_taken_for_it(old: str, new: str) -> None:
    assert old in MODEL
    world = bundle(AGENT, ROUTE, MODEL.replace(old, new))

    assert served_hosts(world, world.routes["shop/models"]) == frozenset()


def test_a_provider_of_another_type_stays_where_it_is() -> None:
    world = bundle(AGENT, ROUTE.replace("type: Local", "type: OpenAI"), MODEL)

    assert served_hosts(world, world.routes["shop/models"]) == frozenset()


def test_the_stand_in_moves_the_provider_and_what_the_policies_say_of_it_and_nothing_else() -> None:
    config = config_of(AGENT, ROUTE, MODEL)

    moved = stand_in(config, HOSTS, 9999)

    expected = config.wire()
    expected["route"]["providers"][0]["baseURL"] = "http://127.0.0.1:9999/v1"
    expected["policy"]["models"]["localHosts"] = [["*.svc", "*.svc.cluster.local", "127.0.0.1"]]
    assert moved.wire() == expected


def test_a_list_that_does_not_let_the_host_does_not_let_its_stand_in() -> None:
    config = config_of(AGENT, ROUTE, MODEL)
    models = config.policy.models.model_copy(
        update={
            "local_hosts": [["*.svc"], ["*.other.svc"]],
            "allow": [[ModelAllow(host="demo.models.svc", models=["m"])], [ModelAllow(host="api.example.com")]],
        }
    )
    egress = config.policy.egress.model_copy(update={"hosts": [["*.models.svc"], ["api.example.com"]]})
    strict = config.model_copy(update={"policy": config.policy.model_copy(update={"models": models, "egress": egress})})

    policy = stand_in(strict, HOSTS, 9999).policy

    assert policy.models.local_hosts == [["*.svc", "127.0.0.1"], ["*.other.svc"]]
    assert policy.models.allow == [
        [ModelAllow(host="demo.models.svc", models=["m"]), ModelAllow(host="127.0.0.1", models=["m"])],
        [ModelAllow(host="api.example.com")],
    ]
    assert policy.egress.hosts == [["*.models.svc", "127.0.0.1"], ["api.example.com"]]
    assert not policy.models.is_local_host("127.0.0.1")
    assert not policy.models.admits("127.0.0.1", "m")
    assert not policy.egress.admits_host("127.0.0.1")


def test_without_a_demo_model_the_config_is_the_clusters() -> None:
    config = config_of(AGENT, ROUTE)

    assert stand_in(config, frozenset(), 9999) is config
