"""RBAC as sets of single permissions, so that rules written in different ways can be compared."""

import re
from collections.abc import Iterable

from tests.unit.chart.helm import ROOT, Object

Permission = tuple[str, str, str]
"""(API group, resource or path, verb); a resource limited by name is `leases named a,b`."""
PAGE = (ROOT / "docs" / "reference" / "rbac.md").read_text()


def of_rules(rules: Iterable[Object]) -> set[Permission]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule.get("apiGroups", ["-"])
        for resource in _resources(rule)
        for verb in rule["verbs"]
    }


def documented(heading: str) -> set[Permission]:
    """The first table after these words of docs/reference/rbac.md."""
    table = PAGE.partition(f"{heading}\n")[2].partition("|---|")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[1:]]
    return {
        (group.strip("`").replace("core", ""), _resource(resource), verb)
        for group, resources, verbs, _ in rows
        for resource in resources.split(", ")
        for verb in verbs.split(", ")
    }


def _resources(rule: Object) -> list[str]:
    names = f" named {','.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
    return [f"{resource}{names}" for resource in rule.get("resources") or rule["nonResourceURLs"]]


def _resource(cell: str) -> str:
    return re.sub(r"`([^`]*)`", r"\1", cell)
