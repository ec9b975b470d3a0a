"""Each folder of examples/ applies as it is, and a second look finds no difference."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import ROOT
from tests.api.kubectl import Kubectl
from tests.api.running_operator import eventually
from tests.cluster import Cluster, CommandError

EXAMPLES = [folder for folder in sorted((ROOT / "examples").iterdir()) if folder.is_dir()]


@pytest.fixture
def kubectl(control_plane: Cluster, kubectl_cache: Path) -> Kubectl:
    return Kubectl(control_plane, None, kubectl_cache)


@pytest.fixture
def example(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[str]:
    folder = str(request.param)
    yield folder
    kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", folder)


def test_the_examples_of_the_readme_are_there() -> None:
    assert {"quickstart", "hybrid", "classes"} <= {folder.name for folder in EXAMPLES}


def await_no_difference(kubectl: Kubectl, *words: str) -> None:
    """A controller may write a status between kubectl's two looks: that is a difference, once."""

    def none() -> bool:
        try:
            return kubectl("diff", *words) == ""
        except CommandError as error:
            raise AssertionError(error) from error

    eventually("no difference", none)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name, indirect=True)
def test_an_example_applies_and_has_no_difference_then(kubectl: Kubectl, example: str) -> None:
    kubectl("apply", "--filename", example)
    await_no_difference(kubectl, "--filename", example)
    kubectl("apply", "--server-side", "--filename", example)
    await_no_difference(kubectl, "--server-side", "--filename", example)
