"""Annotations of pods: hints to the kubelet and to ReplicaSets.

No policy hangs on one, only how soon or how gently something happens. So whatever keeps one from being written (a pod
that is gone, somebody's admission webhook) holds back nothing else, and what is true of the pods is told nevertheless.
"""

import logging

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.pods import Pod
from regent_operator.engine.resources import PODS

log = logging.getLogger(__name__)


async def annotate(client: ApiClient, pod: Pod, name: str, value: str) -> bool:
    """Whether the pod bears it now. Never raises ApiError."""
    patch = {"metadata": {"uid": pod.seen.uid, "annotations": {name: value}}}
    try:
        await client.merge(PODS, pod.agent.namespace, pod.seen.name, patch)
    except ApiError as error:
        log.info("pod %s/%s does not bear %s: %s", pod.agent.namespace, pod.seen.name, name, error)
        return False
    return True
