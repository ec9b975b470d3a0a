import pytest

from regent_api.route import ProviderHealth
from regent_operator.plan.echo import Echo, ProviderSaid
from regent_operator.plan.health import ProviderFigures, added, of_pods
from regent_operator.plan.observation import PodSeen
from regent_operator.plan.usage import route_status
from tests.unit.plan.samples import INSTALLATION, NOW, route
from tests.unit.plan.test_usage import figures


def pod(number: int, breaker: str = "closed", failure: str = "", *, ready: bool = True) -> PodSeen:
    uid = f"u{number}"
    return PodSeen(
        f"helper-{number}", uid, ready=ready, echo=Echo(uid, providers=(ProviderSaid("cloud", breaker, failure),))
    )


@pytest.mark.parametrize(
    ("breakers", "health"),
    [
        ([], None),
        (["closed", "closed"], ProviderHealth.HEALTHY),
        (["closed", "open"], ProviderHealth.DEGRADED),
        (["halfOpen", "open"], ProviderHealth.UNAVAILABLE),
    ],
)
def test_health_is_what_the_breakers_of_all_pods_say(breakers: list[str], health: ProviderHealth | None) -> None:
    found = of_pods(pod(number, breaker) for number, breaker in enumerate(breakers))
    assert [each.health for each in found] == ([health] if health else [])


def test_a_pod_that_cannot_serve_says_nothing() -> None:
    assert of_pods([pod(1, "open", ready=False), PodSeen("helper-2", "u2", ready=True)]) == ()


def test_the_last_failure_is_told_and_holds_still() -> None:
    one, two = pod(1, failure="server_error"), pod(2, failure="disconnected")
    assert of_pods([one, two]) == of_pods([two, one]) == (ProviderFigures("cloud", 2, 0, "disconnected"),)


def test_the_figures_of_agents_add_up() -> None:
    assert added([ProviderFigures("b", 1, 1, "x"), ProviderFigures("a", 1), ProviderFigures("b", 2)]) == (
        ProviderFigures("a", 1),
        ProviderFigures("b", 3, 1, "x"),
    )


def test_it_stands_in_the_status_of_the_route() -> None:
    one = figures("one", providers=(ProviderFigures("cloud", 1, 1, "server_error"),))
    two = figures("two", providers=(ProviderFigures("cloud", 1), ProviderFigures("gone", 1, 1)))
    told = route_status(route(), [one, two], INSTALLATION, None, NOW).wire()["providers"]
    assert [(each["name"], each.get("health"), each.get("lastError")) for each in told] == [
        ("cloud", "Degraded", "server_error"),
        ("onprem", None, None),
    ]
