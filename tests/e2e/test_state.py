"""Two pods of one agent and a real Redis: limits and conversations are the agent's, not a pod's."""

from collections import Counter

from tests.e2e import caller, manifests
from tests.e2e.conftest import Installed
from tests.enforces import enforces

PASSWORD = "correct-horse-battery"
TURNS = 6


@enforces("limits.requestsPerHour", "onStateError")
def test_two_pods_share_limits_and_conversations_and_outlive_their_redis(regent: Installed, namespace: str) -> None:
    kube, where = regent.kube, namespace
    regent.standin("cloud", where)
    kube.apply(
        *manifests.redis("redis", where, PASSWORD),
        manifests.route("route", where, [manifests.provider("cloud", f"cloud.{where}.svc")]),
        manifests.policy("limited", where, selector={}, limits=[{"per": "Caller", "requestsPerHour": TURNS}]),
        manifests.agent("helper", where, "route", scaling={"replicas": 2}),
    )
    kube.until_condition("aiagent", "helper", where, "Accepted", "False", "SharedStateRequired")
    assert kube.pods("helper", where) == []

    secret = {"secretKeyRef": {"name": "redis", "key": "password"}}
    state = {"redis": {"url": f"redis://redis.{where}.svc", "passwordFrom": secret}}
    kube.apply(manifests.agent("helper", where, "route", scaling={"replicas": 2}, state=state))
    kube.until(
        "redis is there", lambda: kube.get("deployment", "redis", where).get("status", {}).get("availableReplicas")
    )
    kube.until_ready("helper", where)
    pods = kube.pods("helper", where)
    assert len(pods) == 2

    friend = caller.start(kube, "friend", where, "friend", f"{where}/helper")
    each = [f"http://{pod['status']['podIP']}:8080/v1/chat/completions" for pod in pods]
    first = friend.ask(f"{where}/helper", url=each[0])
    assert first.status == 200, first.body
    id_ = {"X-Regent-Conversation": first.headers["x-regent-conversation"]}
    answers = [friend.ask(f"{where}/helper", url=each[turn % 2], headers=id_) for turn in range(TURNS + 3)]
    assert Counter(answer.status for answer in answers) == {200: TURNS - 1, 429: 4}, "as many as one pod would let in"
    assert {answer.headers["x-regent-conversation"] for answer in answers if answer.status == 200} == {*id_.values()}
    assert 3000 < int(answers[-1].headers["retry-after"]) <= 3600

    stranger = caller.start(kube, "stranger", where, "stranger", f"{where}/helper")
    assert stranger.ask(f"{where}/helper", headers=id_).code == "conversation_not_found"

    kube("scale", "deployment/redis", "--namespace", where, "--replicas", "0")
    kube.until("denied", lambda: stranger.ask(f"{where}/helper").code == "state_unavailable")
    kube("scale", "deployment/redis", "--namespace", where, "--replicas", "1")
    kube.until("answered again", lambda: stranger.ask(f"{where}/helper").status == 200)
