import pytest

from regent_operator.cli.manifests import ManifestError
from tests.unit.cli.worlds import AGENT, MODEL, ROUTE, bundle


def test_objects_are_kept_by_namespace_and_name() -> None:
    world = bundle(AGENT, ROUTE, MODEL)

    assert (set(world.agents), set(world.routes)) == ({"shop/helper"}, {"shop/models"})
    assert (set(world.services), set(world.deployments)) == ({"models/demo"}, {"models/model"})


def test_an_object_without_a_namespace_gets_the_default_one() -> None:
    world = bundle(AGENT.replace(", namespace: shop", ""))

    assert world.agents["default/helper"].metadata.namespace == "default"


def test_of_two_objects_with_one_name_the_later_holds() -> None:
    world = bundle(AGENT, AGENT.replace("Internal", "Public"))

    assert world.agents["shop/helper"].spec.sensitivity == "Public"


def test_kinds_without_a_meaning_here_are_named() -> None:
    world = bundle("{apiVersion: batch/v1, kind: Job, metadata: {name: nightly}}")

    assert world.ignored == ["world.yaml: Job nightly"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (AGENT.replace("AIAgent", "Agent"), "world.yaml: Agent helper: regent.dev has no such kind; write AIAgent"),
        (AGENT.replace("v1alpha1", "v2"), "world.yaml: AIAgent helper: apiVersion: write regent.dev/v1alpha1"),
        (AGENT.replace("helper", "-"), "world.yaml: AIAgent -: metadata.name: write lower-case letters"),
        (AGENT.replace("Internal", "Secret"), "world.yaml: AIAgent helper: spec.sensitivity: Input should be"),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {key: '!'}}",
            "world.yaml: Secret s: data.key: not base64",
        ),
    ],
)
def test_a_problem_names_file_object_and_field(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as raised:
        bundle(text)
    assert raised.value.problems[0].startswith(words)


def test_secrets_are_decoded_and_plain_text_wins() -> None:
    world = bundle(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==, b: Yg==}, stringData: {b: plain}}"
    )

    assert world.secrets["default/s"] == {"a": b"a", "b": b"plain"}


def test_a_namespace_has_the_label_that_the_api_server_gives() -> None:
    world = bundle("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}")

    assert world.labels_of_namespace("shop") == {"kubernetes.io/metadata.name": "shop", "team": "a"}
    assert world.labels_of_namespace("other") == {"kubernetes.io/metadata.name": "other"}
