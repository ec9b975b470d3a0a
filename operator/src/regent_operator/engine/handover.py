"""Who holds how many pods a Deployment has, where an autoscaler says it.

A field that its last owner applies no more is removed, and for this one the API server would fill in 1. So another
manager holds the number first, as it is, until the autoscaler writes its own
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
"""

from typing import Any

from regent_operator.engine.children import Child
from regent_operator.engine.resources import DEPLOYMENTS
from regent_operator.plan.observation import DeploymentSeen

Object = dict[str, Any]
KEEPER = "regent-replicas"


def is_open(body: Object) -> bool:
    """Whether the body of a child leaves it to an autoscaler how many pods there are."""
    return bool(body["kind"] == DEPLOYMENTS.kind and "replicas" not in body["spec"])


def is_due(body: Object, child: Child | None, live: DeploymentSeen | None) -> bool:
    """Whether the number must be written once more: nobody but us holds one, or it is 0, where an autoscaler rests."""
    return is_open(body) and (child is None or child.sets_replicas or live is None or live.replicas == 0)


def with_replicas(body: Object, replicas: int) -> Object:
    return body | {"spec": body["spec"] | {"replicas": replicas}}


def number_alone(body: Object, uid: str, replicas: int) -> Object:
    """What KEEPER applies."""
    meta = body["metadata"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"namespace": meta["namespace"], "name": meta["name"], "uid": uid},
        "spec": {"replicas": replicas},
    }
