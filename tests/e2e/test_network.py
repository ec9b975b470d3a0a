"""The walls around an agent on a real node with a real enforcer, and what the status says of them.

Each place that the agent's pod must not reach is reached by another pod of the same namespace, whom no NetworkPolicy
holds, in the same minute: so it is the policy that stops the agent. Who may come in: test_quickstart.py.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.cluster.ownnode import OwnNode
from tests.e2e import caller, manifests
from tests.e2e.conftest import SYSTEM, Installed
from tests.e2e.kube import Kube, Object, condition

METADATA = "169.254.169.254"
"""Where clouds serve their instances' credentials; the node gets this address, and a server that answers there."""
METADATA_PORT = 18080
CANARY_PORT = 9797
KIND = "NetworkRestricted"
ENFORCER = "kube-network-policies"

TRY = """
import json, socket
def tried(address, port):
    try:
        socket.create_connection((address, port), timeout=4).close()
        return "through"
    except OSError as error:
        return type(error).__name__
print(json.dumps({name: tried(*place) for name, place in PLACES.items()}))
"""

Places = Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class Scene:
    kube: Kube
    namespace: str
    friend: caller.Caller

    def agents_pod(self) -> str:
        (pod,) = self.kube.pods("helper", self.namespace)
        return str(pod["metadata"]["name"])

    def tried(self, pod: str, places: Places, namespace: str = "") -> dict[str, str]:
        """What became of a connection to each place, from within the pod: of the agent's namespace, or of another."""
        program = f"PLACES = {places!r}\n{TRY}"
        found: dict[str, str] = json.loads(self.kube.python(pod, namespace or self.namespace, program))
        return found

    def ip(self, name: str, namespace: str) -> str:
        return str(self.kube.get("pod", name, namespace)["status"]["podIP"])

    def until(self, status: str, reason: str) -> None:
        self.kube.until_condition("aiagent", "helper", self.namespace, KIND, status, reason)

    def edit_the_walls(self) -> None:
        """By a hand that admission does not hold: it is healed, and the pods are asked to try again."""
        edit = {"metadata": {"labels": {"app.kubernetes.io/name": "edited"}}}
        self.kube.past_admission().patch("networkpolicy", "helper", self.namespace, edit)


@pytest.fixture
def scene(regent: Installed, namespace: str) -> Scene:
    regent.slow_agent(namespace)
    friend = caller.start(regent.kube, "friend", namespace, "friend", f"{namespace}/helper")
    return Scene(regent.kube, namespace, friend)


@pytest.fixture
def metadata_service(scene: Scene) -> Iterator[None]:
    """A pod in the node's own network, and the address on the node."""
    scene.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "metadata-service", "namespace": SYSTEM},
            "spec": {
                "hostNetwork": True,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": "server",
                        "image": caller.IMAGE,
                        "command": ["python3", "-m", "http.server", str(METADATA_PORT)],
                        "workingDir": "/tmp",
                    }
                ],
            },
        }
    )
    scene.kube.cluster.exec("ip", "address", "add", f"{METADATA}/32", "dev", "lo")
    try:
        words = ("--for=condition=Ready", "pod/metadata-service", "--timeout=120s")
        scene.kube("wait", "--namespace", SYSTEM, *words, timeout=130)
        yield
    finally:
        scene.kube.cluster.exec("ip", "address", "del", f"{METADATA}/32", "dev", "lo")
        scene.kube.delete("pod", "metadata-service", SYSTEM, wait_for_it=False)


class Enforcer:
    """Of the node. Frozen, and its rules taken out, it is as if there were none; it writes them anew when it thaws."""

    def __init__(self, node: OwnNode) -> None:
        self._node = node

    def leave(self) -> None:
        self._node.signal(ENFORCER, "STOP")
        self._node.exec("nft", "delete", "table", "inet", ENFORCER)

    def come_back(self) -> None:
        self._node.signal(ENFORCER, "CONT")


def open_to_everywhere(namespace: str) -> Object:
    spec = {"podSelector": {"matchLabels": {"regent.dev/agent": "helper"}}, "policyTypes": ["Egress"], "egress": [{}]}
    meta = {"name": "too-open", "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


@pytest.mark.usefixtures("metadata_service")
def test_the_pod_reaches_its_provider_and_names_and_nothing_else(scene: Scene, regent: Installed) -> None:
    kube, where = scene.kube, scene.namespace
    regent.standin("other", where)
    (operator, *_) = kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")
    provider: Places = {"provider": (f"cloud.{where}.svc", 8080)}
    open_to_others: Places = {
        "another service": (f"other.{where}.svc", 8080),
        "the API server": ("kubernetes.default.svc", 443),
        "the metadata service": (METADATA, METADATA_PORT),
    }
    forbidden: Places = {
        **open_to_others,
        "the operator's canary": (operator["status"]["podIP"], CANARY_PORT),
        "the operator's metrics": (operator["status"]["podIP"], 9090),
    }
    assert scene.tried("friend", {**provider, **open_to_others}) == dict.fromkeys(
        [*provider, *open_to_others], "through"
    )
    found = scene.tried(scene.agents_pod(), {**provider, **forbidden})
    assert found == {"provider": "through", **dict.fromkeys(forbidden, "TimeoutError")}
    assert scene.friend.ask(f"{where}/helper").status == 200


def test_who_may_call_an_agent_reaches_its_turns_and_not_what_it_says_of_itself(scene: Scene) -> None:
    address = scene.ip(scene.agents_pod(), scene.namespace)
    turns: Places = {"turns": (address, 8080)}
    status: Places = {"status": (address, 9090)}
    assert scene.tried("friend", {**turns, **status}) == {"turns": "through", "status": "TimeoutError"}
    (operator, *_) = scene.kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")
    asks = operator["metadata"]["name"]
    assert scene.tried(asks, status, SYSTEM) == {"status": "through"}, "whom the agent tells it gets there"


OUTSIDE = "undeclared.example.com"
ASKS_OUTSIDE = f"""
import asyncio, json, pathlib
from regent_api.config import AgentConfig
from regent_runtime.addresses import DestinationRefused
from regent_runtime.credentials import Credentials
from regent_runtime.transport import channels
from regent_runtime.wire.format import Outbound

async def asked(channel):
    try:
        reply = await channel.post(Outbound("/chat/completions", b'{{"model": "quick"}}'), "application/json")
        await reply.close()
        return "through"
    except DestinationRefused as refused:
        return refused.reason
    finally:
        await channel.close()

async def main(config):
    declared, = config.route.providers
    undeclared = declared.model_copy(update={{"name": "undeclared", "base_url": "https://{OUTSIDE}/v1"}})
    route = config.route.model_copy(update={{"providers": [declared, undeclared]}})
    ways = channels(config.model_copy(update={{"route": route}}), Credentials(pathlib.Path("/nowhere")))
    print(json.dumps({{name: await asked(channel) for name, channel in ways.items()}}))

asyncio.run(main(AgentConfig.model_validate_json(pathlib.Path(CONFIG).read_text())))
"""
"""In an agent's pod: its own transport, under its own policy, and a provider more than its config holds."""


def test_an_outside_host_that_no_policy_opens_is_left_out_and_refused_by_the_transport(
    regent: Installed, namespace: str
) -> None:
    kube = regent.kube
    regent.standin("cloud", namespace)
    outside = manifests.provider("outside", OUTSIDE, baseURL=f"https://{OUTSIDE}/v1")
    cloud = manifests.provider("cloud", f"cloud.{namespace}.svc")
    kube.apply(
        manifests.policy("house", namespace, selector={}, egress={"hosts": ["*.svc"]}),
        manifests.route("route", namespace, [outside, cloud]),
        manifests.agent("helper", namespace, "route"),
    )
    found = kube.until_condition("aiagent", "helper", namespace, "ResolvedRefs", "True", "ProvidersExcluded")
    assert f"egress.hosts does not let {OUTSIDE}" in condition(found, "ResolvedRefs")["message"]
    kube.until_ready("helper", namespace)
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    assert friend.ask(f"{namespace}/helper").text == "from cloud"
    (pod,) = kube.pods("helper", namespace)
    assert [provider["name"] for provider in kube.statusz(pod)["providers"]] == ["cloud"]
    said = kube.python(pod["metadata"]["name"], namespace, f"CONFIG = '/etc/regent/config/agent.json'\n{ASKS_OUTSIDE}")
    assert json.loads(said) == {"cloud": "through", "undeclared": "host_not_allowed"}


def test_it_is_proved_and_a_policy_that_opens_a_way_is_found_out(scene: Scene) -> None:
    scene.until("True", "Restricted")
    scene.kube.apply(open_to_everywhere(scene.namespace))
    scene.edit_the_walls()
    scene.until("False", "NotEnforced")
    scene.kube.until_ready("helper", scene.namespace)
    scene.kube.delete("networkpolicy", "too-open", scene.namespace)
    scene.edit_the_walls()
    scene.until("True", "Restricted")


def test_what_the_pod_tried_is_its_own_word(scene: Scene) -> None:
    scene.until("True", "Restricted")
    (pod,) = scene.kube.pods("helper", scene.namespace)
    said = scene.kube.statusz(pod)["canary"]
    operators = scene.kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")
    assert said["address"] in {each["status"]["podIP"] for each in operators}
    assert (said["port"], said["outcome"]) == (CANARY_PORT, "blocked")


@pytest.fixture
def enforcer(scene: Scene) -> Iterator[Enforcer]:
    assert isinstance(scene.kube.cluster, OwnNode), "the test must be able to stop it"
    made = Enforcer(scene.kube.cluster)
    yield made
    made.come_back()


def test_without_an_enforcer_it_says_so_and_with_one_again_it_is_proved_again(scene: Scene, enforcer: Enforcer) -> None:
    scene.until("True", "Restricted")
    enforcer.leave()
    (operator, *_) = scene.kube.all_of("pods", SYSTEM, "app.kubernetes.io/name=regent-operator")
    places: Places = {"canary": (operator["status"]["podIP"], CANARY_PORT)}
    assert scene.tried(scene.agents_pod(), places) == {"canary": "through"}
    scene.edit_the_walls()
    scene.until("False", "NotEnforced")
    enforcer.come_back()
    scene.edit_the_walls()
    scene.until("True", "Restricted")
