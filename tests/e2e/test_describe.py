"""What a person reads: `kubectl describe`, held against a golden file with the ever-changing words left out."""

import re
from pathlib import Path

from tests.e2e import manifests
from tests.e2e.conftest import Installed

GOLDEN = Path(__file__).parent / "golden" / "describe-aiagent.txt"
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


def test_describe_reads_as_it_should(regent: Installed, namespace: str) -> None:
    regent.standin("cloud", namespace)
    provider = manifests.provider("cloud", f"cloud.{namespace}.svc")
    regent.kube.apply(
        manifests.route("route", namespace, [provider]),
        manifests.policy("house", namespace, selector={}, size={"maxOutputTokens": 32}),
        manifests.agent("helper", namespace, "route", description="Reads well."),
    )
    regent.kube.until_ready("helper", namespace)
    regent.kube.until_condition("aiagent", "helper", namespace, "NetworkRestricted", "True")
    said = without_changes(regent.kube("describe", "aiagent", "helper", "--namespace", namespace))
    assert said == GOLDEN.read_text(), said
