"""The chart as helm renders it without a cluster."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import command, tools

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "regent"
Object = dict[str, Any]


def render(values: Object | None = None, *flags: str, release: str = "regent") -> list[Object]:
    """The objects of `helm template RELEASE charts/regent --namespace regent-system`. Raises command.CommandError."""
    documents = yaml.safe_load_all(_template(release, json.dumps(values or {}), flags))
    return [document for document in documents if document]


def one(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """The only object of the kind (and name)."""
    (found,) = [o for o in objects if o["kind"] == kind and name in {None, o["metadata"]["name"]}]
    return found


def names(objects: list[Object]) -> list[str]:
    """`KIND NAMESPACE/NAME`, sorted; cluster-scoped objects without the namespace."""
    return sorted(
        f"{o['kind']} {'/'.join(filter(None, (o['metadata'].get('namespace'), o['metadata']['name'])))}"
        for o in objects
    )


@cache
def _template(release: str, values: str, flags: tuple[str, ...]) -> str:
    words = ("template", release, CHART, "--namespace", "regent-system", "--values", "-", *flags)
    return command.run(tools.helm(), *words, text=values)
