"""`regent dev`: the agents of some manifests, on this machine, until Ctrl-C; edits of the files are followed.

The runtime has no switch for development. This command makes a normal AgentConfig, with key pairs of its own for
callers' tokens and for the config's seal, and lets the runtime listen on loopback; all that it starts ends with it, and
its files are in a directory for this user alone.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from regent_api.config import AgentConfig
from regent_operator.cli import callers, credentials, demo_model
from regent_operator.cli.bundle import Bundle, gather
from regent_operator.cli.edits import Edits, fingerprint
from regent_operator.cli.local_agent import LocalAgent, RefusedConfigError
from regent_operator.cli.manifests import ManifestError, PathMissingError, read
from regent_operator.cli.output import Invitation, Progress
from regent_operator.cli.planning import AgentMissingError, LocalPlan, plan_all
from regent_operator.cli.process import Child, free_port, is_free
from regent_operator.cli.tokens import ServiceAccount, TokenIssuer
from regent_operator.signing import Signer

WATCH_SECONDS = 0.3


class PortTakenError(Exception):
    """Another program listens where the agent should."""


BAD_EDIT = (PathMissingError, ManifestError, AgentMissingError, RefusedConfigError, PortTakenError, OSError, ValueError)
"""They end nothing that runs."""


@dataclass(frozen=True)
class DevOptions:
    paths: tuple[Path, ...]
    port: int = 8080
    """Of the first agent, by name; the next ones follow. 0: any free ones."""
    agent: str | None = None
    namespace: str = "default"
    floor_namespace: str = "regent-system"
    callers: tuple[ServiceAccount, ...] = ()
    output: str = "text"
    log: Path | None = None
    """Where the agents' own log lines go; None: stderr."""


@dataclass
class Session:
    """What runs, and what it was made from."""

    options: DevOptions
    progress: Progress
    directory: Path
    children: ExitStack
    """Stops all that was started, the last first."""
    issuer: TokenIssuer = field(default_factory=TokenIssuer)
    signer: Signer = field(default_factory=Signer.new)
    agents: dict[str, LocalAgent] = field(default_factory=dict)
    configs: dict[str, AgentConfig] = field(default_factory=dict)
    model: Child | None = None
    model_port: int = 0
    ports_given: int = 0

    def converge(self) -> None:
        """Read the manifests and make what runs equal to them.

        Raises PathMissingError, ManifestError, AgentMissingError and PortTakenError before anything has changed;
        ChildError and RefusedConfigError after.
        """
        bundle, plans = self._read()
        self._see_ports_free(len(set(plans) - set(self.agents)))
        if any(plan.model_hosts for plan in plans.values()) and self.model is None:
            self._start_model()
        for key in sorted(set(self.agents) - set(plans)):
            self.agents.pop(key).stop()
            self.configs.pop(key, None)
            self.progress.say(f"agent {key} is gone from the manifests: stopped")
        for key, plan in sorted(plans.items()):
            self._apply(key, plan, bundle)

    def watch(self, edits: Edits) -> NoReturn:
        """Follow the files until the user ends it. Raises ChildError when something that was started ends."""
        while True:
            time.sleep(WATCH_SECONDS)
            self._check()
            if edits.settled():
                self._follow()

    def _read(self) -> tuple[Bundle, dict[str, LocalPlan]]:
        bundle = gather(*read(self.options.paths), self.options.namespace)
        plans = plan_all(bundle, self.options.agent, self.options.floor_namespace, self.issuer.jwks())
        notes = [f"{title}: has no meaning on this machine; ignored" for title in bundle.ignored]
        self.progress.note(*notes, *(note for plan in plans.values() for note in plan.notes))
        return bundle, plans

    def _start_model(self) -> None:
        self.progress.say("starting the demo model (SmolLM2-135M-Instruct)")
        self.model_port = free_port()
        self.model = demo_model.start(self.model_port, self.directory / "demo-model.log")
        self.children.callback(self.model.stop)

    def _apply(self, key: str, plan: LocalPlan, bundle: Bundle) -> None:
        config = demo_model.stand_in(plan.config, plan.model_hosts, self.model_port)
        if key not in self.agents:
            self._start_agent(key, config, bundle)
        elif self.configs[key] != config:
            self.progress.note(*_missing(key, self.agents[key].write(config, bundle, os.environ)))
            self.configs[key] = config
            self.agents[key].wait_for_echo()
            self.progress.say(f"agent {key} took over the edit ({config.digests().config[:19]})")
        else:
            self.agents[key].write(config, bundle, os.environ)  # a Secret's value may have changed

    def _start_agent(self, key: str, config: AgentConfig, bundle: Bundle) -> None:
        agent = LocalAgent(key, self.directory / key, self._next_port(), self.signer, self.options.log)
        self.progress.note(*_missing(key, agent.write(config, bundle, os.environ)))
        self.progress.say(f"starting agent {key}")
        self.children.callback(agent.stop)
        agent.start()
        self.agents[key], self.configs[key] = agent, config
        self.progress.say(f"agent {key} is ready at {agent.endpoint}, under {config.digests().config[:19]}")
        for caller in self._callers(config, bundle):
            let_in = callers.admitted(config, caller)
            token = self.issuer.token(caller, config.agent, time.time)
            self.progress.show(Invitation(key, agent.endpoint, str(caller), token, let_in), self.options.output)

    def _callers(self, config: AgentConfig, bundle: Bundle) -> Sequence[ServiceAccount]:
        if self.options.callers:
            return self.options.callers
        if someone := callers.someone_admitted(config, bundle.service_accounts):
            return (someone,)
        self.progress.note(f"agent {config.agent.name}: its policies let no caller in (callers.serviceAccounts)")
        return (ServiceAccount(config.agent.namespace, callers.ANY_NAME),)

    def _see_ports_free(self, count: int) -> None:
        """Of the next agents. Raises PortTakenError."""
        first = self.options.port + self.ports_given
        for port in range(first, first + count) if self.options.port else ():
            if not is_free(port):
                raise PortTakenError(f"port {port} is taken; choose another with --port, or 0 for any free one")

    def _next_port(self) -> int:
        if not self.options.port:
            return free_port()
        self.ports_given += 1
        return self.options.port + self.ports_given - 1

    def _follow(self) -> None:
        try:
            self.converge()
        except BAD_EDIT as error:
            self.progress.fail(str(error))
            self.progress.say("the edit is not taken over; what ran goes on")

    def _check(self) -> None:
        if self.model:
            self.model.check()
        for agent in self.agents.values():
            agent.check()


def run(options: DevOptions, progress: Progress) -> NoReturn:
    """Until KeyboardInterrupt. Raises what Session.converge does, and ChildError."""
    with _session(options, progress) as session:
        edits = Edits(lambda: fingerprint(options.paths))  # before they are read: no edit is missed while agents start
        session.converge()
        progress.say("edits of the manifests are followed; Ctrl-C ends all")
        session.watch(edits)


@contextmanager
def _session(options: DevOptions, progress: Progress) -> Iterator[Session]:
    with tempfile.TemporaryDirectory(prefix="regent-dev-") as directory, ExitStack() as children:
        yield Session(options, progress, Path(directory), children)


def _missing(key: str, pairs: Sequence[str]) -> list[str]:
    return [
        f"agent {key}: Secret {secret} has no {name} here; add a manifest, or set {credentials.variable(secret, name)}"
        for secret, _, name in (pair.partition("/") for pair in pairs)
    ]
