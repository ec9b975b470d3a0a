"""Writes what is made from the models: the CRDs (for kubectl, and for the chart) and the reference.

With --check: fails, and names the stale files and the policy fields that nobody enforces or tests.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import enforcement
import price_table
import yaml

from regent_api import reference
from regent_api.crd import crd
from regent_api.kinds import KINDS
from regent_operator.plan import deployment
from regent_runtime import refusals
from regent_runtime.dialect.chat_completions import request_table as chat_completions
from regent_runtime.dialect.messages import request_table as messages
from regent_runtime.route import errors as route_errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "Generated from crds/src/regent_api by `make generate`; edits are lost."


def outputs() -> dict[str, str]:
    """Path within the repository -> text."""
    crds = {f"crds/{kind.plural}.yaml": f"# {SOURCE}\n{to_yaml(crd(kind))}" for kind in KINDS}
    chart = {f"charts/regent/crds/{kind.plural}.yaml": f"# {SOURCE}\n{to_yaml(kept(crd(kind)))}" for kind in KINDS}
    pages = {f"docs/reference/{name}.md": f"<!-- {SOURCE} -->\n{text}" for name, text in reference.pages(pod()).items()}
    pages["docs/reference/enforcement.md"] = f"<!-- {SOURCE} -->\n{enforcement.page()}"
    served = {
        "errors": refusals.reference(),
        "messages": messages.reference(),
        "requests": chat_completions.reference(),
        "route-errors": route_errors.reference(),
    }
    table = {"operator/src/regent_operator/plan/prices.json": price_table.text()}
    return crds | chart | pages | {f"docs/reference/{name}.md": text for name, text in served.items()} | table


def pod() -> dict[str, str]:
    """Path in AIAgent -> what a pod gets where the agent states nothing."""
    parts = {"requests": deployment.DEFAULT_REQUESTS, "limits": deployment.DEFAULT_LIMITS}
    return {
        f"spec.workload.resources.{part}.{name}": amount
        for part, amounts in parts.items()
        for name, amount in amounts.items()
    }


def kept(document: dict[str, Any]) -> dict[str, Any]:
    """A CRD that no tool deletes with the release that brought it: all agents of the cluster would go with it.

    Argo CD applies it before all that the chart puts into other waves.
    """
    annotations = {"argocd.argoproj.io/sync-wave": "-20", "helm.sh/resource-policy": "keep"}
    return document | {"metadata": document["metadata"] | {"annotations": annotations}}


def to_yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def stale() -> list[str]:
    """Paths whose file is absent or says something else."""
    return [path for path, text in outputs().items() if not _holds(ROOT / path, text)]


def _holds(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    if arguments.parse_args().check:
        paths = stale()
        unkept = enforcement.unkept()
        sys.stderr.writelines(f"stale: {path}; run `make generate` and commit it\n" for path in paths)
        sys.stderr.writelines(f"not enforced: {sentence}\n" for sentence in unkept)
        return 3 if paths or unkept else 0
    for path, text in outputs().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
