"""The image with the sentence embedder, named in the chart as docs/guides/cache.md says: its pods know what questions mean."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster import images
from tests.e2e import caller, manifests
from tests.e2e.conftest import Installed, install
from tests.e2e.hybrid import EXPORT
from tests.e2e.kube import Kube, Object

ON, ENABLE, OFF = "How do I turn on dark mode?", "How can I enable dark mode?", "How do I turn off dark mode?"
SEEN = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/seen').read().decode())"
ENOUGH = {"resources": {"limits": {"memory": "512Mi"}}}


@pytest.fixture(scope="module")
def semantic(regent: Installed) -> Iterator[Installed]:
    """The image that agents run, and the one without an embedder again for the tests that come after."""
    regent.kube.cluster.load_image(images.regent("runtime-semantic"))
    install(regent.kube, "--set", "image.runtime.repository=regent-runtime-semantic")
    yield regent
    install(regent.kube)


def outcomes(kube: Kube, pod: Object) -> list[Object]:
    """Of the pod's turns, from its audit log."""
    lines = kube.python(pod["metadata"]["name"], pod["metadata"]["namespace"], EXPORT).splitlines()
    return [record for line in lines if (record := json.loads(line)).get("kind") == "outcome"]


def test_a_question_in_other_words_is_answered_again_and_its_opposite_is_not(
    semantic: Installed, namespace: str
) -> None:
    kube, where = semantic.kube, namespace
    semantic.standin("cloud", where)
    cloud = manifests.provider("cloud", f"cloud.{where}.svc", parameters={"temperature": 0.2})
    kube.apply(
        manifests.route("route", where, [cloud]),
        manifests.policy("cached", where, selector={}, cache={"maxSensitivity": "Internal", "semantic": "Allow"}),
        manifests.agent("helper", where, "route", workload=ENOUGH),
        manifests.agent("small", where, "route"),
    )
    for name in ("helper", "small"):
        kube.until_ready(name, where)
    assert lacks(kube, "helper", where) == []
    friend = caller.start(kube, "friend", where, "friend", f"{where}/helper", f"{where}/small")

    answers = [friend.ask(f"{where}/helper", question) for question in (ON, ON, ENABLE, OFF)]
    assert [answer.status for answer in answers] == [200] * 4
    assert [answer.body["usage"]["total_tokens"] > 0 for answer in answers] == [True, False, False, True]
    assert asked_of_the_cloud(kube, where) == [ON, OFF]
    (pod,) = kube.pods("helper", where)
    assert kube.series(pod, "regent_cache_total") == {
        'regent_cache_total{result="miss"}': 2,
        'regent_cache_total{result="hit"}': 1,
        'regent_cache_total{result="semantic"}': 1,
    }
    kube.until("every outcome is in the audit log", lambda: len(outcomes(kube, pod)) == 4)
    reused = [each["cache"] for each in outcomes(kube, pod) if "cache" in each]
    assert [each["result"] for each in reused] == ["hit", "semantic"]
    assert 0.85 <= float(reused[1]["similarity"]) < 1
    (container,) = pod["status"]["containerStatuses"]
    assert container["image"].partition(":")[0].endswith("/regent-runtime-semantic")
    (again,) = kube.pods("helper", where)
    assert again["status"]["containerStatuses"][0]["restartCount"] == 0, "the embedder fits into the pod"

    assert [friend.ask(f"{where}/small", question).status for question in (ON, ENABLE)] == [200] * 2
    assert asked_of_the_cloud(kube, where) == [ON, OFF, ON, ENABLE], "in a small pod words count"
    assert lacks(kube, "small", where) == ["memory"]


def lacks(kube: Kube, agent: str, where: str) -> list[str]:
    """What its pod's log says that the semantic cache lacks there."""
    lines = kube("logs", f"deployment/{agent}", "--namespace", where).splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return [each["lacks"] for each in said if each.get("event") == "semantic_cache_missing"]


def asked_of_the_cloud(kube: Kube, where: str) -> list[str]:
    """The last words of each request that has reached it."""
    (pod,) = kube.all_of("pods", where, "app=cloud")
    seen = json.loads(kube.python(pod["metadata"]["name"], where, SEEN))
    return [each["body"]["messages"][-1]["content"] for each in seen]
