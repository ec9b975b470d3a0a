"""An API server's audit log, as the tests read it."""

import json
from pathlib import Path
from typing import Any

from tests.cluster.audit import AuditLog, Request

USER = "system:serviceaccount:regent-system:regent-operator"
TERMINATING = {
    "status": "Failure",
    "message": 'services "helper" is forbidden: unable to create new content in namespace acme because it is being terminated',
    "reason": "Forbidden",
    "details": {
        "name": "helper",
        "kind": "services",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace acme is being terminated",
                "field": "metadata.namespace",
            }
        ],
    },
    "code": 403,
}


def event(**more: Any) -> str:
    return json.dumps(
        {
            "verb": "patch",
            "user": {"username": USER},
            "userAgent": "regent",
            "requestURI": "/api/v1/namespaces/acme/services/helper",
            "requestReceivedTimestamp": "2026-11-26T10:00:00.000000Z",
            "objectRef": {"resource": "services", "namespace": "acme", "name": "helper", "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": 200},
            **more,
        }
    )


def asked(folder: Path, *lines: str, user: str = "") -> list[Request]:
    (folder / "audit.log").write_text("".join(f"{line}\n" for line in lines))
    return AuditLog(folder / "audit.log").since(0, user=user)


def test_a_refusal_bears_its_causes(tmp_path: Path) -> None:
    fine, refused = asked(tmp_path, event(), event(responseStatus={"metadata": {}} | TERMINATING))
    assert (fine.code, fine.message, fine.causes) == (200, "", ())
    assert (refused.code, refused.causes) == (403, ("NamespaceTerminating",))
    assert "being terminated" in refused.message


def test_a_refusal_without_causes_has_none(tmp_path: Path) -> None:
    (refused,) = asked(
        tmp_path, event(responseStatus={"code": 403, "reason": "Forbidden", "details": {"causes": None}})
    )
    assert (refused.code, refused.causes) == (403, ())


def test_who_is_impersonated_asks(tmp_path: Path) -> None:
    by_hand = event(user={"username": "admin"}, impersonatedUser={"username": USER})
    found = asked(tmp_path, event(user={"username": "admin"}), by_hand, user=USER)
    assert [request.user for request in found] == [USER]


def test_who_reads_on_reads_each_record_once_and_none_in_part(tmp_path: Path) -> None:
    log, first, second = AuditLog(tmp_path / "audit.log"), event(verb="get"), event(verb="list")
    log.file.write_text(f"{first}\n{second[:40]}")
    found, mark = log.read(0)
    assert [request.verb for request in found] == ["get"]
    assert log.read(mark) == ([], mark)
    log.file.write_text(f"{first}\n{second}\n")
    found, mark = log.read(mark)
    assert [request.verb for request in found] == ["list"]
    assert mark == log.mark()


def test_a_body_is_there_where_the_policy_keeps_it(tmp_path: Path) -> None:
    kept, not_kept = asked(tmp_path, event(requestObject={"status": {"replicas": 1}}), event())
    assert (kept.body, not_kept.body) == ({"status": {"replicas": 1}}, None)


def test_a_moment_is_that_of_the_servers_record(tmp_path: Path) -> None:
    (request,) = asked(tmp_path, event(requestReceivedTimestamp="1970-01-01T00:01:00.250000Z"))
    assert request.moment == 60.25
