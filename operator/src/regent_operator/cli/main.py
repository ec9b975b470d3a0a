"""The `regent` command. Exit codes: 0 ok, 1 error, 2 usage, 3 a check failed, 4 not found."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from regent_api.audit import command as audit
from regent_api.config import AgentConfig, RouteConfig
from regent_operator.cli import approve, callers, cluster, dev, explain, lint
from regent_operator.cli.ask import RefusedError, ask
from regent_operator.cli.bundle import gather
from regent_operator.cli.exchange import UnreachableError
from regent_operator.cli.formats import FORMATS
from regent_operator.cli.local_agent import RefusedConfigError
from regent_operator.cli.manifests import STDIN, ManifestError, PathMissingError, read
from regent_operator.cli.output import Progress, visible
from regent_operator.cli.planning import AgentMissingError, config_of, declared_of
from regent_operator.cli.process import ChildError
from regent_operator.cli.tokens import ServiceAccount

MOST_PORT = 65535


class Exit(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    CHECK_FAILED = 3
    NOT_FOUND = 4


_CODES: dict[type[Exception], Exit] = {
    PathMissingError: Exit.NOT_FOUND,
    AgentMissingError: Exit.NOT_FOUND,
    approve.ApprovalMissingError: Exit.NOT_FOUND,
    ManifestError: Exit.ERROR,
    dev.PortTakenError: Exit.ERROR,
    ChildError: Exit.ERROR,
    RefusedConfigError: Exit.ERROR,
    RefusedError: Exit.ERROR,
    UnreachableError: Exit.ERROR,
    cluster.ClusterError: Exit.ERROR,
    cluster.AgentNotFoundError: Exit.NOT_FOUND,
    explain.NotExplainedError: Exit.USAGE,
    OSError: Exit.ERROR,
    ValueError: Exit.ERROR,
}
"""What is one line on stderr. The last two are a file's, a disk's or an argument's, of any subclass."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code."""
    asked = _parser().parse_args(arguments)
    progress = Progress(sys.stderr, sys.stdout)
    try:
        code = asked.run(asked, progress)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = Exit.OK
    except BrokenPipeError:  # whoever reads has seen enough
        code = Exit.ERROR
    except tuple(_CODES) as error:
        progress.fail(str(error))
        code = _CODES.get(type(error), Exit.ERROR)
    audit.let_go_of_stdout()
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regent", description="AI agents that are governed, not merely deployed.")
    parser.add_argument("--version", action="version", version=f"regent {version('regent-operator')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_dev(commands.add_parser("dev", help="run the agents of some manifests on this machine, without a cluster"))
    _add_chat(commands.add_parser("chat", help="ask an agent and print its answer as it comes"))
    _add_explain(commands.add_parser("explain", help="say what an agent would decide on a turn, and by which policy"))
    _add_lint(commands.add_parser("lint", help="say what is wrong with manifests, before a cluster sees them"))
    checked = commands.add_parser("audit", help="verify, export or erase audit logs")
    audit.add_commands(checked)
    checked.set_defaults(run=_audit)
    _add_approve(commands.add_parser("approve", help="decide on a turn that waits for approval"))
    return parser


def _add_dev(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_dev)
    parser.description = (
        "Plans the agents as the operator does, runs them on loopback, prints endpoint and token, and follows edits. "
        "Secrets come from Secret manifests or from REGENT_SECRET_<NAME>_<KEY> in the environment."
    )
    _add_manifests(parser)
    add = parser.add_argument
    add("--port", type=_port, default=8080, help="port of the first agent; 0: any free one (default: 8080)")
    add("--agent", metavar="NAME", help="run this agent alone (NAME or NAMESPACE/NAME)")
    add(
        "--caller",
        action="append",
        type=_caller,
        default=[],
        metavar="NAMESPACE/NAME",
        help="ServiceAccount to make a token for; may be repeated (default: one that the policies let in)",
    )
    add(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: one object a line for each agent and caller",
    )
    add("--log-file", type=Path, metavar="PATH", help="where the agents' own log lines go (default: stderr)")


def _add_chat(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_chat)
    parser.add_argument("prompt", help="what to ask")
    _add_endpoint(parser)


def _add_approve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_approve)
    parser.description = (
        "Shows the turn behind an approval's id, asks, and sends the decision. The approver's token is for the agent's "
        "audience, as a caller's is."
    )
    parser.add_argument("id", help="the id from the caller's approval_required")
    parser.add_argument("--deny", action="store_true", help="deny the turn instead of approving it")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--show", action="store_true", help="show the turn and decide nothing")
    how.add_argument("--yes", action="store_true", help="do not ask")
    _add_endpoint(parser)


def _add_endpoint(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", default=os.environ.get("REGENT_ENDPOINT"), help="URL of the agent (default: REGENT_ENDPOINT)")
    add("--token-file", type=Path, help="file that holds the caller's token (default: the variable REGENT_TOKEN)")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_explain)
    parser.description = (
        "Runs the stages of a turn up to where a model would be asked, on manifests (-f) or on the config that the "
        "agent's pods hold in the cluster (without -f, by kubectl). Nothing is sent. Exit code 3: it would be refused."
    )
    add = parser.add_argument
    add("agent", help="NAME or NAMESPACE/NAME")
    add("--caller", required=True, help="NAMESPACE/NAME, oidc:ISSUER#SUBJECT, apikey:NAME or anonymous")
    add("--groups", default="", help="groups of an oidc: caller, separated by commas")
    add("--prompt", required=True, help="what the caller asks")
    add("--sensitivity", help="label that the caller declares (X-Regent-Sensitivity)")
    add("--route", action="store_true", help="show the providers of the rule instead: their order, why others are out")
    add("--context", help="kubectl's context, without -f")
    _add_manifests(parser, required=False)
    add("-o", "--output", choices=FORMATS, default="table", help="how it is printed (default: table)")


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_lint)
    parser.description = "Exit code 3 when something is found. Nothing is run, and no cluster is asked."
    _add_manifests(parser)
    add = parser.add_argument
    add("-o", "--output", choices=FORMATS, default="table", help="how findings are printed (default: table)")


def _add_manifests(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    add = parser.add_argument
    add(
        "-f",
        "--filename",
        action="append",
        type=Path,
        required=required,
        metavar="PATH",
        help="file or directory of manifests, or - for standard input; may be repeated",
    )
    add("-n", "--namespace", default="default", help="namespace of objects that name none (default: default)")
    add(
        "--floor-namespace",
        default="regent-system",
        metavar="NAMESPACE",
        help="namespace of the floor policies; without any the chart's default floor holds (default: regent-system)",
    )


def _explain(asked: argparse.Namespace, progress: Progress) -> Exit:
    groups = frozenset(group for group in asked.groups.split(",") if group)
    question = explain.Asked(asked.caller, asked.prompt, groups, asked.sensitivity)
    declared: RouteConfig | None = None
    if asked.filename:
        bundle = gather(*read(asked.filename), asked.namespace)
        config = config_of(bundle, asked.agent, asked.floor_namespace)
        declared = declared_of(bundle, config)
    else:
        namespace, _, name = asked.agent.rpartition("/")
        config = cluster.config_of(name, namespace or asked.namespace, asked.context)
        if asked.route:
            declared = _declared(config, asked.context, progress)
    try:
        sys.stdout.write(explain.run(config, question, asked.output, route=asked.route, declared=declared))
    except explain.WouldRefuseError as refused:
        sys.stdout.write(str(refused))
        return Exit.CHECK_FAILED
    return Exit.OK


def _declared(config: AgentConfig, context: str | None, progress: Progress) -> RouteConfig | None:
    """None, with a word, where the user may not see the route, or it is gone: all else can be told without it."""
    try:
        return cluster.declared_of(config, context)
    except cluster.ClusterError as error:
        progress.say(f"providers that the policies left out of the config are not shown: {error}")
        return None


def _lint(asked: argparse.Namespace, _progress: Progress) -> Exit:
    try:
        sys.stdout.write(lint.run(asked.filename, asked.namespace, asked.floor_namespace, asked.output))
    except lint.FoundError as found:
        sys.stdout.write(str(found))
        return Exit.CHECK_FAILED
    return Exit.OK


def _dev(asked: argparse.Namespace, progress: Progress) -> NoReturn:
    if STDIN in asked.filename:
        raise ManifestError("regent dev follows files, which standard input (-f -) is none of; write it to one")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    dev.run(
        dev.DevOptions(
            paths=tuple(asked.filename),
            port=asked.port,
            agent=asked.agent,
            namespace=asked.namespace,
            floor_namespace=asked.floor_namespace,
            callers=tuple(asked.caller),
            output=asked.output,
            log=asked.log_file,
        ),
        progress,
    )


def _chat(asked: argparse.Namespace, _progress: Progress) -> Exit:
    endpoint, token = _endpoint(asked)
    shown = visible if sys.stdout.isatty() else str
    for delta in ask(endpoint, [{"role": "user", "content": asked.prompt}], token=token):
        sys.stdout.write(shown(delta))
        sys.stdout.flush()
    sys.stdout.write("\n")
    return Exit.OK


def _audit(asked: argparse.Namespace, _progress: Progress) -> int:
    return audit.run(asked)


def _approve(asked: argparse.Namespace, progress: Progress) -> Exit:
    approvals = approve.Approvals(*_endpoint(asked))
    decision = approve.DENY if asked.deny else approve.APPROVE
    turn = approvals.show(asked.id)
    if asked.show:
        sys.stdout.write(approve.described(turn) + "\n")
    elif asked.yes or approve.confirmed(turn, decision, input):
        sys.stdout.write(f"{approvals.decide(asked.id, decision)['status']}\n")
    else:
        progress.say("nothing was decided")
    return Exit.OK


def _endpoint(asked: argparse.Namespace) -> tuple[str, str | None]:
    """URL and token."""
    if not asked.endpoint:
        raise UnreachableError("no agent to talk to; give --endpoint, or set REGENT_ENDPOINT as `regent dev` prints it")
    token = asked.token_file.read_text(errors="replace") if asked.token_file else os.environ.get("REGENT_TOKEN", "")
    return asked.endpoint, token.strip() or None


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 0 to {MOST_PORT}")
    return int(text)


def _caller(text: str) -> ServiceAccount:
    try:
        return callers.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
