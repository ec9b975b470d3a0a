"""Two releases never run the same agents."""

import pytest

from tests.api.chart.releases import Releases, refused
from tests.cluster import command


def test_a_second_release_for_the_whole_cluster_is_refused_with_the_way_out(releases: Releases) -> None:
    first, second = releases.namespace(), releases.namespace()
    releases.install("one", first)

    with pytest.raises(command.CommandError) as caught:
        releases.install("two", second)

    said = refused(caught.value)
    assert f'Release "one" in namespace "{first}" runs the agents of every namespace already' in said
    assert f"helm upgrade one --namespace {first}" in said
    assert "`watchNamespaces` without a namespace in common" in said
    assert releases.get("deployment", "regent-operator", second) is None


def test_a_namespace_is_refused_while_a_release_runs_the_whole_cluster(releases: Releases) -> None:
    acme = releases.namespace()
    releases.install("one", releases.namespace())

    with pytest.raises(command.CommandError) as caught:
        releases.install("two", releases.namespace(), {"watchNamespaces": [acme]})

    assert f"runs the agents of {acme}" in refused(caught.value)


def test_the_whole_cluster_is_refused_while_a_release_runs_a_namespace(releases: Releases) -> None:
    acme = releases.namespace()
    releases.install("one", releases.namespace(), {"watchNamespaces": [acme]})

    with pytest.raises(command.CommandError) as caught:
        releases.install("two", releases.namespace())

    assert f"runs the agents of {acme}" in refused(caught.value)


def test_a_shared_namespace_is_refused_at_install_and_at_upgrade(releases: Releases) -> None:
    acme, beta, gamma = releases.namespace(), releases.namespace(), releases.namespace()
    second = releases.namespace()
    releases.install("one", releases.namespace(), {"watchNamespaces": [acme, beta]})

    with pytest.raises(command.CommandError) as caught:
        releases.install("two", second, {"watchNamespaces": [beta, gamma]})
    assert f"runs the agents of {beta} already" in refused(caught.value)

    releases.install("two", second, {"watchNamespaces": [gamma]})
    with pytest.raises(command.CommandError) as caught:
        releases.upgrade("two", second, {"watchNamespaces": [gamma, acme]})
    assert f"runs the agents of {acme} already" in refused(caught.value)


def test_a_releases_own_namespace_counts_because_its_policies_are_a_floor(releases: Releases) -> None:
    home, acme, beta = releases.namespace(), releases.namespace(), releases.namespace()
    releases.install("one", home, {"watchNamespaces": [acme]})

    with pytest.raises(command.CommandError) as caught:
        releases.install("two", releases.namespace(), {"watchNamespaces": [home]})
    assert f"runs the agents of {home} already" in refused(caught.value)
    with pytest.raises(command.CommandError) as caught:
        releases.install("two", home, {"watchNamespaces": [beta]})
    assert f"runs the agents of {home} already" in refused(caught.value)


def test_releases_that_share_nothing_live_side_by_side_and_can_be_upgraded(releases: Releases) -> None:
    acme, beta = releases.namespace(), releases.namespace()
    first, second = releases.namespace(), releases.namespace()

    releases.install("one", first, {"watchNamespaces": [acme]})
    releases.install("one", second, {"watchNamespaces": [beta]})
    releases.upgrade("one", first, {"watchNamespaces": [acme]})
    releases.upgrade("one", second, {"watchNamespaces": [beta]})

    assert releases.get("role", "regent-operator-agents", acme)
    assert releases.get("role", "regent-operator-agents", beta)


def test_a_namespace_is_free_again_after_uninstall(releases: Releases) -> None:
    first, second = releases.namespace(), releases.namespace()
    releases.install("one", first)
    releases.uninstall("one", first)

    releases.install("two", second, {"watchNamespaces": [first]})

    assert releases.get("role", "regent-operator-agents", first)
