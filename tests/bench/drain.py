"""`make bench-drain`: a minute of conversations through a Service while everything is done to the pods that serve them.

On the tests' own node, with the chart's metrics API and a Redis: a crowd comes and goes, and the agent's autoscaler follows
it from 1 pod to 6 and back; pods are evicted, the chart brings another image, and the policy is edited every 5 s, again and
again until the time is over. Callers repeat what OpenAI's clients repeat. What must be nobody: a conversation that failed, a
message that was lost or cut, a turn that began under an older policy after that policy's successor was Ready.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import yaml

from tests import cluster
from tests.charts import CHART
from tests.cluster import images
from tests.cluster.ownnode import OwnNode
from tests.e2e import followed, manifests, traffic
from tests.e2e.conftest import install
from tests.e2e.kube import Kube

NAMESPACE = "bench"
IMAGE, NEXT = "localhost/regent-runtime", "next"
PATIENCE_SECONDS = 600.0
SMALL = {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
"""The default of 50m for each pod does not fit on two cores beside all else."""


class Bench:
    def __init__(self, kube: Kube, most: int) -> None:
        self._kube = kube
        self._most = most
        self._is_next = False

    def install(self) -> None:
        kube = self._kube
        install(kube, *followed.METRICS_API)
        kube.apply(manifests.namespace(NAMESPACE), *traffic.provider(NAMESPACE), traffic.policy(NAMESPACE, 0))
        kube.apply(*manifests.redis("redis", NAMESPACE, "correct-horse-battery"))
        for name in ("cloud", "redis"):
            kube("rollout", "status", f"deployment/{name}", "--namespace", NAMESPACE, "--timeout=120s", timeout=130)
        kube.apply(traffic.agent(NAMESPACE, followed.bounds(self._most), workload=SMALL))
        kube.until_ready(traffic.AGENT, NAMESPACE)
        kube.until_condition("aiagent", traffic.AGENT, NAMESPACE, "ScalingActive", "True", "MetricsAvailable")

    def steps(self, talk: traffic.Talk) -> list[tuple[str, Callable[[], None]]]:
        """One round."""
        return [
            ("up", lambda: self._crowd(talk, self._most)),
            ("evict", self._evict),
            ("another image", self._replace),
            ("evict", self._evict),
            ("down", lambda: self._crowd(talk, 0)),
        ]

    def _crowd(self, talk: traffic.Talk, pods: int) -> None:
        talk.crowd(pods * followed.PER_POD)
        self._settle(max(1, pods))

    def _evict(self) -> None:
        before = self._kube.pods(traffic.AGENT, NAMESPACE)
        traffic.evict(self._kube, NAMESPACE, before[0]["metadata"]["name"])
        self._settle(self._most)

    def _replace(self) -> None:
        """An upgrade of the chart to the same image under another name, and the next time back."""
        before = self._kube.pod_uids(traffic.AGENT, NAMESPACE)
        self._is_next = not self._is_next
        values = ("--set", f"image.runtime.tag={NEXT}") if self._is_next else ()
        install(self._kube, *followed.METRICS_API, *values)
        others = lambda: not before & self._kube.pod_uids(traffic.AGENT, NAMESPACE)  # noqa: E731
        self._kube.until("all others", others, PATIENCE_SECONDS)
        self._settle(self._most)

    def _settle(self, pods: int) -> None:
        there = lambda: traffic.settled(self._kube, NAMESPACE, pods)  # noqa: E731
        self._kube.until(f"{pods} pods", there, PATIENCE_SECONDS)


def run(node: OwnNode, seconds: float, most: int) -> bool:
    """Whether nobody was lost."""
    kube = Kube(node)
    bench = Bench(kube, most)
    bench.install()
    name_again(node)
    began = time.monotonic()
    done: list[str] = []
    with (
        kube.record("horizontalpodautoscaler", traffic.AGENT, NAMESPACE) as scaler,
        traffic.talking(kube, NAMESPACE, talkers=6, streamers=4) as talk,
    ):
        with traffic.edited(kube, NAMESPACE) as edits:
            while time.monotonic() - began < seconds:
                for name, step in bench.steps(talk):
                    at = time.monotonic()
                    step()
                    done.append(f"{name} {time.monotonic() - at:.0f} s")
                    sys.stderr.write(f"{done[-1]}\n")
        report = talk.stop()
    stale = report.stale(edits)
    figures = {
        "seconds": round(time.monotonic() - began),
        "steps": done,
        "podsAskedForByTheAutoscaler": followed.asked_for(scaler),
        "conversations": report.conversations,
        "turns": report.turns,
        "streams": report.streams,
        "longestStreamSeconds": round(report.longest, 1),
        "repeated": report.retried,
        "policyEdits": edits.number,
        "policyEditsReady": len(edits.ready),
        "turnsOfWhichThePolicyIsKnown": len(report.probes),
        "failed": report.failed,
        "underAnOlderPolicy": stale,
    }
    sys.stdout.write(f"{json.dumps(figures, indent=1)}\n")
    return not (report.failed or stale)


def name_again(node: OwnNode) -> None:
    """The runtime's image, which is on the node by now, bears the tag NEXT, too."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    node.exec("ctr", "--namespace", "k8s.io", "images", "tag", f"{IMAGE}:{version}", f"{IMAGE}:{NEXT}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.drain", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of traffic, at the least")
    parser.add_argument("--most", type=int, default=6, help="replicas")
    asked = parser.parse_args()
    ours = [images.regent(name) for name in ("operator", "runtime", "demo-model")]
    with cluster.node("drain", images=[images.python_base(), images.redis(), *ours]) as node:
        assert isinstance(node, OwnNode), "an image is given another name on the node"
        sys.exit(0 if run(node, asked.seconds, asked.most) else 1)


if __name__ == "__main__":
    main()
