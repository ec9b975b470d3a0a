"""Clusters by hand: `python -m tests.cluster up --tier full`, `exec -- CMD`, `down`; `--help` lists the rest."""

import argparse
import os
import sys
from pathlib import Path

from . import build, command, images, ownnode, providers, registry, teardown, tools
from .cache import HERE


def main() -> None:
    asked = _parser().parse_args()
    asked.run(asked)


def up(asked: argparse.Namespace) -> None:
    archives = [Path(archive) for archive in asked.image]
    node = ownnode.start(asked.name, asked.tier, archives, controllers=asked.controllers, owned=False)
    _print(f"export KUBECONFIG={node.kubeconfig}")


def down(asked: argparse.Namespace) -> None:
    with registry.alone():
        for record in registry.all_records():
            if asked.all or record.stale or record.name == asked.name:
                teardown.remove(record)


def status(_: argparse.Namespace) -> None:
    for record in registry.all_records():
        owner = f"owned by {record.owner.pid}" if record.owner else "stays until down"
        state = "stale" if record.stale else owner
        _print(f"{record.name}\t{record.tier}\t{record.network.node}\t{state}\t{record.folder}")


def execute(asked: argparse.Namespace) -> None:
    node = ownnode.OwnNode(registry.named(asked.name))
    words = [*node.enter(), *asked.command]
    os.execvpe(words[0], words, {**os.environ, "PATH": ownnode.program_path()})


def logs(asked: argparse.Namespace) -> None:
    _print(ownnode.OwnNode(registry.named(asked.name)).logs(asked.component))


def build_all(asked: argparse.Namespace) -> None:
    if not providers.is_ours():
        return
    command.run(HERE / "apt.sh", timeout=900)
    made = [build.kube(), build.kstatus(), tools.helm()]
    if asked.tier == "full":
        made += [build.node(), build.metrics_server(), *images.for_every_node()]
    _print(*made)


def make_images(_: argparse.Namespace) -> None:
    command.run(HERE / "apt.sh", timeout=900)
    ours = [images.regent(name) for name in images.MEMBERS]
    _print(images.busybox(), images.redis(), images.python_base(), *ours)


def show_tools(_: argparse.Namespace) -> None:
    _print(tools.helm(), tools.kubectl())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    verbs = parser.add_subparsers(required=True)

    def verb(name: str, run: object, words: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=words)
        added.set_defaults(run=run)
        return added

    def about_one(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added.add_argument("--name", default="dev")
        return added

    starts = about_one(verb("up", up, "start a cluster that stays until `down`; prints its KUBECONFIG"))
    starts.add_argument("--tier", choices=("control", "full"), default="full")
    starts.add_argument("--image", action="append", default=[], help="an archive to load at start; may be repeated")
    starts.add_argument("--controllers", default="", help="of the control tier, such as '*'")
    about_one(verb("down", down, "remove it, and any that a crash left")).add_argument("--all", action="store_true")
    verb("status", status, "list the clusters of this machine")
    about_one(verb("exec", execute, "run a program on the node: exec -- CMD")).add_argument("command", nargs="+")
    about_one(verb("logs", logs, "a component's log")).add_argument("component")
    builds = verb("build", build_all, "build what a node is made of into the cache, unless a cluster is given")
    builds.add_argument("--tier", choices=("control", "full"), default="full")
    verb("images", make_images, "make the images that tests load: ours, on a base made here, and theirs")
    verb("tools", show_tools, "helm and kubectl; prints their paths")
    return parser


def _print(*lines: object) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
