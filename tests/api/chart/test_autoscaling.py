"""Whoever serves custom.metrics.k8s.io already keeps it: the chart's server does not come beside another."""

import pytest

from tests.api.chart.releases import Object, Releases, refused
from tests.cluster import command

OURS, THEIRS = "v1beta2.custom.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io"
CHOSEN = {"autoscaling.provider": "Regent"}


def provider() -> Object:
    """As prometheus-adapter registers itself."""
    group, version = "custom.metrics.k8s.io", "v1beta1"
    service = {"name": "prometheus-adapter", "namespace": "monitoring"}
    spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100, "service": service}
    meta = {"name": THEIRS}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec}


def registered(releases: Releases) -> str:
    """NAMESPACE/NAME of the server behind our version of the group; empty: nobody."""
    path = "jsonpath={.spec.service.namespace}/{.spec.service.name}"
    return releases.cluster.kubectl("get", "apiservice", OURS, "--ignore-not-found", "--output", path)


def test_it_is_refused_beside_another_provider_who_is_named_and_not_beside_itself(releases: Releases) -> None:
    home = releases.namespace()
    releases.apply(provider())
    try:
        with pytest.raises(command.CommandError) as caught:
            releases.install("one", home, CHOSEN)
        said = refused(caught.value)
        assert f"APIService {THEIRS} belongs to monitoring/prometheus-adapter already" in said
        assert "--set autoscaling.provider=External" in said
        assert releases.get("deployment", "regent-operator", home) is None

        releases.install("one", home)
        with pytest.raises(command.CommandError) as caught:
            releases.upgrade("one", home, CHOSEN)
        assert "monitoring/prometheus-adapter" in refused(caught.value)
        assert registered(releases) == ""
    finally:
        releases.cluster.kubectl("delete", "apiservice", THEIRS)
    for _ in range(2):
        releases.upgrade("one", home, CHOSEN)
        assert registered(releases) == f"{home}/regent-metrics-api"
    releases.upgrade("one", home, None, "--reset-values")
    assert registered(releases) == ""
