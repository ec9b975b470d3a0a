import os
from collections.abc import Iterator

import pytest

from tests import cluster
from tests.api.chart.releases import Releases
from tests.cluster import Cluster

CONTROLLERS = "clusterrole-aggregation-controller,garbage-collector-controller,namespace-controller"


@pytest.fixture(scope="session")
def bare() -> Iterator[Cluster]:
    """A control plane of the chart's own: its tests delete the CRDs, and with them every agent."""
    with cluster.control_plane(f"chart-{os.getpid()}", controllers=CONTROLLERS) as c:
        yield c


@pytest.fixture
def releases(bare: Cluster) -> Iterator[Releases]:
    """No release is installed before, and none is left after."""
    installed = Releases(bare)
    yield installed
    installed.uninstall_all()
