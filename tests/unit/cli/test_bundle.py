from pathlib import Path

import pytest
import yaml

from regent_operator.cli.bundle import gather
from regent_operator.cli.manifests import Manifest, ManifestError
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
        (AGENT.replace("helper", "-"), "world.yaml: AIAgent -: metadata.name: must be the name of an object"),
        (AGENT.replace("helper", "a" * 254), f"world.yaml: AIAgent {'a' * 254}: metadata.name: String should have at"),
        (
            AGENT.replace("spec:", "spce: {}\nspec:"),
            "world.yaml: AIAgent helper: spce: unknown field; did you mean spec?",
        ),
        (
            AGENT.replace("spec:", "selctor: {}\nspec:").replace("AIAgent", "AgentPolicy"),
            "world.yaml: AgentPolicy helper: selctor: unknown field; did you mean spec.selector?",
        ),
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


def test_all_that_is_wrong_is_told_at_once() -> None:
    bad = [Manifest(Path("world.yaml"), yaml.safe_load(AGENT.replace("Internal", level))) for level in ("A", "B")]
    with pytest.raises(ManifestError) as raised:
        gather(bad, ["other.yaml: not YAML"], "default")
    assert [problem.split(": ")[0] for problem in raised.value.problems] == ["other.yaml", "world.yaml", "world.yaml"]


METADATA = "{apiVersion: v1, kind: %s, metadata: {name: x, %s}}"


@pytest.mark.parametrize("kind", ["ConfigMap", "Job"])
@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("labels: {a: 1}", "metadata.labels.a: must be a string (quote it)"),
        ("labels: [a]", "metadata.labels: must be an object"),
        ("annotations: {a: true}", "metadata.annotations.a: must be a string (quote it)"),
        (f"labels: {{a: {'x' * 64}}}", "metadata.labels.a: String should have at most 63 characters"),
        ("labels: {a: x y}", "metadata.labels.a: must be a label value of letters"),
        ("labels: {a b: x}", "metadata.labels.a b: its key must be a label key such as app"),
        ("annotations: {a b: x}", "metadata.annotations.a b: its key must be a label key such as app"),
        ("lables: {a: b}", "metadata.lables: unknown field; did you mean labels?"),
        ("namespace: A_B", "metadata.namespace: must be a name of a-z, 0-9 and -"),
        ("ownerReference: []", "metadata.ownerReference: unknown field; did you mean ownerReferences?"),
    ],
)
def test_metadata_of_every_kind_is_judged(kind: str, metadata: str, words: str) -> None:
    with pytest.raises(ManifestError) as raised:
        bundle(METADATA % (kind, metadata))
    assert raised.value.problems[0].startswith(f"world.yaml: {kind} x: {words}")


def test_metadata_as_the_api_server_gives_it_is_good() -> None:
    given = "namespace: '', labels: null, annotations: {Example.com/A: 'b c'}, creationTimestamp: null, ownerReferences: [], uid: a"
    bundle(METADATA % ("ConfigMap", given))


SPEC = "{apiVersion: %s, kind: %s, metadata: {name: x}, %s}"


@pytest.mark.parametrize(
    ("kind", "rest", "words"),
    [
        ("v1/Service", "spec: {ports: x}", "spec.ports: must be a list"),
        ("v1/Service", "spec: {ports: [{name: http}]}", "spec.ports[0].port: is required"),
        ("v1/Service", "spec: {ports: [{port: '80'}]}", "spec.ports[0].port: Input should be a valid integer"),
        ("v1/Service", "spec: {selector: [a]}", "spec.selector: must be an object"),
        ("v1/ConfigMap", "data: {a: 1}", "data.a: must be a string (quote it)"),
        ("v1/Secret", "data: [a]", "data: must be an object"),
        ("apps/v1/Deployment", "spec: 3", "spec: must be an object"),
        ("apps/v1/Deployment", "spec: {template: {spec: {containers: {}}}}", "spec.template.spec.containers: must be"),
    ],
)
def test_what_is_read_of_other_kinds_has_their_shape(kind: str, rest: str, words: str) -> None:
    version, _, name = kind.rpartition("/")
    with pytest.raises(ManifestError) as raised:
        bundle(SPEC % (version, name, rest))
    assert raised.value.problems[0].startswith(f"world.yaml: {name} x: {words}")


def test_secrets_are_decoded_and_plain_text_wins() -> None:
    world = bundle(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==, b: Yg==}, stringData: {b: plain}}"
    )

    assert world.secrets["default/s"] == {"a": b"a", "b": b"plain"}


def test_a_namespace_has_the_label_that_the_api_server_gives() -> None:
    world = bundle("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}")

    assert world.labels_of_namespace("shop") == {"kubernetes.io/metadata.name": "shop", "team": "a"}
    assert world.labels_of_namespace("other") == {"kubernetes.io/metadata.name": "other"}
