"""What a person reads: `kubectl describe`, held against golden files with the ever-changing words left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import manifests
from tests.e2e.conftest import Installed
from tests.e2e.kube import Kube

GOLDEN = Path(__file__).parent / "golden"
CHANGING = (
    (r"sha256:[0-9a-f]+", "sha256:DIGEST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"(Resource Version|UID|Generation|Observed Generation):(\s+)\S+", r"\1:\2CHANGES"),
    (r"case-[0-9a-f]+-\d+", "NAMESPACE"),
    (r"(?ms)^Events:.*", "Events: ...\n"),
)


def without_changes(text: str) -> str:
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.fixture(scope="module")
def at_rest(regent: Installed) -> Iterator[str]:
    """A namespace whose agent, policy and route have said all that they have to say."""
    kube, namespace = regent.kube, regent.namespace()
    regent.standin("cloud", namespace)
    provider = manifests.provider("cloud", f"cloud.{namespace}.svc")
    kube.apply(
        manifests.route("route", namespace, [provider]),
        manifests.policy("house", namespace, selector={}, size={"maxOutputTokens": 32}),
        manifests.agent("helper", namespace, "route", description="Reads well."),
    )
    kube.until_ready("helper", namespace)
    kube.until_condition("aiagent", "helper", namespace, "NetworkRestricted", "True")
    until_counted(kube, "agentpolicy", "house", namespace)
    until_counted(kube, "modelroute", "route", namespace)
    kube.until(
        "its pod has told of the provider",
        lambda: "health" in kube.get("modelroute", "route", namespace)["status"]["providers"][0],
    )
    yield namespace
    regent.discard(namespace)


def until_counted(kube: Kube, kind: str, name: str, namespace: str) -> None:
    """Ready comes at once, the number of pods within seconds."""
    kube.until_condition(kind, name, namespace, "Ready", "True", "Enforced")
    kube.until("its pod is counted", lambda: kube.get(kind, name, namespace)["status"].get("enforced") == "1/1")


@pytest.mark.parametrize(
    ("kind", "name"), [("aiagent", "helper"), ("agentpolicy", "house"), ("modelroute", "route")], ids=lambda each: each
)
def test_describe_reads_as_it_should(regent: Installed, at_rest: str, kind: str, name: str) -> None:
    said = without_changes(regent.kube("describe", kind, name, "--namespace", at_rest))
    assert said == (GOLDEN / f"describe-{kind}.txt").read_text(), said
