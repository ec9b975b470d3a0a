"""How much memory an agent takes in the operator: resident, after it became Ready and after the operator was started again.

The operator runs beside an API server of memory, as in `agent_calls.py`. Two runs that differ in the number of agents
alone give the memory of an agent: what it holds, and its share of what was needed for a moment and never given back.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.api.fake_kubelet import FakeKubelet
from tests.bench.agent_calls import objects, operator, wait_for_ready
from tests.bench.runtime import process, resident_mb
from tests.fakes.api_server import MemoryApiServer

FEW, MANY = 20, 320
REST_SECONDS = 6.0
"""Until kopf's tasks and our looks at what followed are done."""


@dataclass(frozen=True)
class Memory:
    """MB or KB, resident."""

    made: float
    """Of the operator that saw the agents become Ready."""
    found: float
    """Of one that found them Ready."""


def of_an_agent() -> Memory:
    """KB."""
    few, many = whole(FEW), whole(MANY)
    share = 1024 / (MANY - FEW)
    return Memory((many.made - few.made) * share, (many.found - few.found) * share)


def whole(agents: int) -> Memory:
    """MB of a process with so many agents."""
    with tempfile.TemporaryDirectory() as scratch, MemoryApiServer() as api:
        folder = Path(scratch)
        api.put(*objects(agents))
        command = operator(api, folder)
        with FakeKubelet(api.kubeconfig(folder)):
            with process("-I", *command) as pid:
                wait_for_ready(api, agents)
                time.sleep(REST_SECONDS)
                made = resident_mb(pid)
            with process("-I", *command) as pid:
                time.sleep(2 * REST_SECONDS)
                return Memory(made, resident_mb(pid))


def main() -> None:
    agent = of_an_agent()
    sys.stdout.write(f"resident: {agent.made:.0f} KB an agent that becomes Ready, {agent.found:.0f} after a restart\n")


if __name__ == "__main__":
    main()
