"""Routes: fallback, order, sensitivity, and what may call itself local. The clouds are stand-ins in the cluster."""

import json

from tests.e2e import caller, manifests
from tests.e2e.caller import Caller
from tests.e2e.conftest import Installed
from tests.e2e.kube import Kube, Object, condition, standing_still


def seen(kube: Kube, namespace: str, standin: str) -> list[Object]:
    """What reached a stand-in, asked within its pod."""
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/seen').read().decode())"
    text = kube("exec", f"deployment/{standin}", "--namespace", namespace, "--", "python3", "-c", program)
    found: list[Object] = json.loads(text)
    return found


def set_mode(kube: Kube, namespace: str, standin: str, mode: str) -> None:
    body = json.dumps({"mode": mode})
    program = f"import urllib.request as u; u.urlopen('http://127.0.0.1:8080/mode', {body!r}.encode())"
    kube("exec", f"deployment/{standin}", "--namespace", namespace, "--", "python3", "-c", program)


def until_told_of(kube: Kube, namespace: str, failing: str) -> None:
    """Until the operator has heard from the pods that a provider fails, and the route's status says so."""
    # An edit of a child by hand is healed, and with that pods are asked at once instead of within a minute.
    edit = {"metadata": {"labels": {"app.kubernetes.io/name": "edited"}}}
    kube.past_admission().patch("networkpolicy", "helper", namespace, edit)

    def told() -> bool:
        providers = kube.get("modelroute", "route", namespace)["status"].get("providers") or []
        return any(each["name"] == failing and each.get("lastError") for each in providers)

    kube.until("the route tells of it", told)


def two_clouds(regent: Installed, namespace: str) -> Caller:
    for name in ("first", "second"):
        regent.standin(name, namespace)
    providers = [manifests.provider(name, f"{name}.{namespace}.svc") for name in ("first", "second")]
    regent.kube.apply(
        manifests.route("route", namespace, providers, manifests.rule("all", "first", "second")),
        manifests.agent("helper", namespace, "route"),
    )
    regent.kube.until_ready("helper", namespace)
    return caller.start(regent.kube, "friend", namespace, "friend", f"{namespace}/helper")


def test_a_dead_first_provider_falls_back_and_an_edit_changes_the_order(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    friend = two_clouds(regent, namespace)
    agent = f"{namespace}/helper"
    assert friend.ask(agent, stream=False).text == "from first"
    with kube.record("aiagent", "helper", namespace) as history:
        kube.until("the status before is known", lambda: history.of("Ready") == [("True", "Ready")])
        set_mode(kube, namespace, "first", "error")
        assert friend.ask(agent, stream=False).text == "from second"
        assert friend.ask(agent, stream=True).text == "from second"
        until_told_of(kube, namespace, "first")
        assert condition(kube.get("aiagent", "helper", namespace), "Ready")["status"] == "True"
    assert history.of("Ready") == [("True", "Ready")], "an agent whose next provider answers is Ready"
    set_mode(kube, namespace, "first", "alive")

    before = kube.get("aiagent", "helper", namespace)["status"]["digests"]["route"]
    providers = [manifests.provider(name, f"{name}.{namespace}.svc") for name in ("first", "second")]

    def enforced() -> bool:
        found = kube.get("aiagent", "helper", namespace)
        return found["status"]["digests"]["route"] != before and condition(found, "Ready").get("status") == "True"

    with kube.record("aiagent", "helper", namespace) as history:
        kube.apply(manifests.route("route", namespace, providers, manifests.rule("all", "second", "first")))
        kube.until("the new order is enforced", enforced)
    assert history.of("Ready")[:2] == [("True", "Ready"), ("False", "NotYetEnforced")]
    assert history.of("Ready")[-1] == ("True", "Ready")
    kube.until_condition("modelroute", "route", namespace, "Ready", "True", "Enforced")
    assert friend.ask(agent, stream=False).text == "from second"


def test_confidential_never_reaches_a_provider_below_it(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    friend = two_clouds(regent, namespace)
    confidential = {"x-regent-sensitivity": "Confidential"}
    with standing_still(kube, namespace):
        refused = friend.ask(f"{namespace}/helper", "the secret figures", stream=False, headers=confidential)
        assert (refused.status, refused.code) == (403, "no_provider_allowed")
        assert friend.ask(f"{namespace}/helper", "the open figures", stream=False).status == 200
    prompts = json.dumps([seen(kube, namespace, name) for name in ("first", "second")])
    assert "the open figures" in prompts
    assert "the secret figures" not in prompts


def test_a_local_provider_on_a_foreign_host_is_refused(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    claimed = manifests.provider("liar", "models.example.com", type_="Local", top="Restricted")
    kube.apply(manifests.route("route", namespace, [claimed]), manifests.agent("helper", namespace, "route"))
    found = kube.until_condition("aiagent", "helper", namespace, "Ready", "False", "NoProviderAllowed")
    assert "liar" in condition(found, "Ready")["message"]
    assert kube.find("deployment", "helper", namespace) is None


def test_a_local_provider_behind_an_external_name_is_refused(regent: Installed, namespace: str) -> None:
    kube = regent.kube
    alias = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "alias", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "models.example.com"},
    }
    claimed = manifests.provider("liar", f"alias.{namespace}.svc", type_="Local", top="Restricted")
    kube.apply(alias, manifests.route("route", namespace, [claimed]), manifests.agent("helper", namespace, "route"))
    found = kube.until_ready("helper", namespace)
    assert "ExternalName" in condition(found, "ResolvedRefs")["message"]
    friend = caller.start(kube, "friend", namespace, "friend", f"{namespace}/helper")
    refused = friend.ask(f"{namespace}/helper", stream=False)
    assert refused.status is not None
    assert refused.status >= 400, "the alias is no place where data may go, wherever it points"
