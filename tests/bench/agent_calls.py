"""How many calls in Python an agent costs the operator until it is Ready: a figure that other work on the machine hardly
changes.

The operator runs under cProfile beside an API server of memory and a kubelet that pretends. Two runs that differ in the
number of agents alone give those of an agent. What is done by the clock meanwhile is some percent.
"""

import pstats
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.fake_kubelet import FakeKubelet
from tests.api.operator_fixtures import agent, policy, route
from tests.bench.runtime import process
from tests.fakes.api_server import MemoryApiServer
from tests.fakes.ports import free_port

FEW, MANY = 10, 60
WAIT_SECONDS = 120.0
SYSTEM, NAMESPACE = "regent-system", "team"
Object = dict[str, Any]


def of_an_agent() -> float:
    return (_whole(MANY) - _whole(FEW)) / (MANY - FEW)


def _whole(agents: int) -> int:
    """Of a process that has seen so many agents become Ready."""
    with tempfile.TemporaryDirectory() as scratch, MemoryApiServer() as api:
        folder = Path(scratch)
        api.put(*objects(agents))
        profiled = ("-m", "cProfile", "-o", str(folder / "calls"))
        with FakeKubelet(api.kubeconfig(folder)), process("-I", *profiled, *operator(api, folder)):
            wait_for_ready(api, agents)
        found: Any = pstats.Stats(str(folder / "calls"))
        return int(found.total_calls)


def wait_for_ready(api: MemoryApiServer, agents: int) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while _ready(api) < agents:
        if time.monotonic() > end:
            raise TimeoutError("not every agent is Ready")
        time.sleep(0.05)


def operator(api: MemoryApiServer, folder: Path) -> tuple[str, ...]:
    """Its command, beside such a server."""
    keys = folder / "keys"
    keys.mkdir()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = Ed25519PrivateKey.generate().private_bytes(encoding, form, serialization.NoEncryption())
    (keys / "signing.pem").write_bytes(pem)
    return (
        *("-m", "regent_operator"),
        f"--namespace={SYSTEM}",
        "--runtime-image=regent/runtime:test",
        f"--signing-keys={keys}",
        f"--kubeconfig={api.kubeconfig(folder)}",
        "--cluster-cidr=10.0.0.0/16",
        "--metrics-host=127.0.0.1",
        f"--metrics-port={free_port()}",
        "--canary-port=0",
        "--log-level=WARNING",
    )


def objects(agents: int) -> list[Object]:
    floor = policy("floor", selector={}, models={"localHosts": ["*.svc"]})
    spaces = [{"kind": "Namespace", "metadata": {"name": name}} for name in (SYSTEM, NAMESPACE)]
    made = [route(), *(agent(f"a{number:03}") for number in range(agents))]
    return [*spaces, _in(SYSTEM, floor), *(_in(NAMESPACE, obj) for obj in made)]


def _in(namespace: str, obj: Object) -> Object:
    return obj | {"metadata": obj["metadata"] | {"namespace": namespace}}


def _ready(api: MemoryApiServer) -> int:
    statuses = (obj.get("status") or {} for obj in api.all("aiagents"))
    return sum(
        any((c["type"], c["reason"]) == ("Ready", "Ready") for c in status.get("conditions", ())) for status in statuses
    )


def main() -> None:
    sys.stdout.write(f"calls in Python: {of_an_agent():.0f} an agent that becomes Ready\n")


if __name__ == "__main__":
    main()
