import re

from regent_api import reference
from regent_api.crd import root_schema
from regent_api.kinds import AGENT_POLICY, KINDS, MODEL_ROUTE
from regent_api.model import MeetKind
from regent_api.reference import Row, rows, rules
from regent_api.status import ConditionType, Reason

SCHEMA = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "description": "Things.",
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 9, "description": "N."}},
            },
        },
        "count": {"description": "How many.", "type": "integer", "minimum": 0},
    },
}


def test_rows_go_to_the_last_field() -> None:
    assert list(rows(SCHEMA, "spec")) == [
        Row("spec.items", "map list of object by name", True, "1 to 4 items", "Things."),
        Row("spec.items[].name", "string", False, "at most 9 characters", "N."),
        Row("spec.count", "integer", False, "at least 0", "How many."),
    ]


def test_a_pattern_is_shown_by_its_words() -> None:
    route = root_schema(MODEL_ROUTE)["properties"]["spec"]
    (row,) = [row for row in rows(route, "spec") if row.path == "spec.timeouts.idle"]
    assert row.bounds == "at most 24 characters; must be a duration such as 250ms, 30s, 5m or 1h30m"


def test_rules_stand_where_the_server_reports_them() -> None:
    found = dict(rules(root_schema(MODEL_ROUTE), ""))
    assert found["spec.rules[].providers"] == "name each provider once within a rule"
    assert found["spec.timeouts.idle"] == "must be longer than 0s"


def test_every_opinion_says_how_it_meets_and_what_holds_without() -> None:
    meets = reference.meets(AGENT_POLICY.spec, "spec")
    assert meets["spec.size.maxOutputTokens"].kind is MeetKind.CAP
    assert meets["spec.size.maxOutputTokens"].default == "1024"
    spec = root_schema(AGENT_POLICY)["properties"]["spec"]
    leaves = {row.path for row in rows(spec, "spec") if row.type != "object" or row.path == "spec.approvals.approvers"}
    not_met = re.compile(r"spec\.mode$|spec\.selector\.|.*(\[\]|approvers\.)")
    assert set(meets) == {path for path in leaves if not not_met.match(path)}


def test_the_api_page_has_every_field_of_every_kind() -> None:
    page = reference.api()
    for kind in KINDS:
        for part in ("spec", "status"):
            for row in rows(root_schema(kind)["properties"][part], part):
                assert f"| `{row.path}` |" in page


def test_the_conditions_page_has_every_type_and_reason() -> None:
    page = reference.conditions()
    for word in (*ConditionType, *Reason):
        assert f"| `{word}` | " in page


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    lines = [line for line in reference.conditions().splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}
    assert reference.table(("A",), [["x|y"]]).splitlines()[-1] == "| x\\|y |"
