"""Credential files, in a directory that the test makes."""

from pathlib import Path

from regent_api.config import AgentConfig
from regent_operator.cli.bundle import Bundle
from regent_operator.cli.credentials import variable, write
from regent_operator.cli.planning import plan_all
from tests.unit.cli.worlds import AGENT, bundle

ROUTE = """
apiVersion: regent.dev/v1alpha1
kind: ModelRoute
metadata: {name: models, namespace: shop}
spec:
  providers:
  - name: cloud
    type: OpenAI
    baseURL: https://api.example.com/v1
    api: ChatCompletions
    model: m
    credentials: [{name: main, secretKeyRef: {name: cloud-key, key: api.key}}]
    maxSensitivity: Internal
  rules: [{name: all, providers: [{name: cloud}]}]
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: cloud-key, namespace: shop}
stringData: {api.key: from-manifest, hosts: api.example.com, unused: not-for-the-agent}
"""


def world(*texts: str) -> tuple[AgentConfig, Bundle]:
    made = bundle(AGENT, ROUTE, *texts)
    return plan_all(made, None, "regent-system", {"keys": []})["shop/helper"].config, made


def held(directory: Path) -> dict[str, str]:
    return {str(file.relative_to(directory)): file.read_text() for file in directory.rglob("*") if file.is_file()}


def test_exactly_the_keys_that_are_used_become_files_for_this_user_alone(tmp_path: Path) -> None:
    config, made = world(SECRET)

    assert write(config, made, {}, tmp_path) == []

    assert held(tmp_path) == {"cloud-key/api.key": "from-manifest", "cloud-key/hosts": "api.example.com"}
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("*/*")} == {"0o600"}


def test_the_environment_wins_over_the_manifest(tmp_path: Path) -> None:
    config, made = world(SECRET)

    write(config, made, {"REGENT_SECRET_CLOUD_KEY_API_KEY": "from-environment"}, tmp_path)

    assert held(tmp_path)["cloud-key/api.key"] == "from-environment"
    assert variable("cloud-key", "api.key") == "REGENT_SECRET_CLOUD_KEY_API_KEY"


def test_what_nobody_provides_is_reported_and_left_out(tmp_path: Path) -> None:
    config, made = world()

    assert write(config, made, {"REGENT_SECRET_CLOUD_KEY_HOSTS": "api.example.com"}, tmp_path) == ["cloud-key/api.key"]

    assert held(tmp_path) == {"cloud-key/hosts": "api.example.com"}


def test_what_is_no_longer_used_or_provided_goes(tmp_path: Path) -> None:
    config, made = world(SECRET)
    write(config, made, {}, tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "key").write_text("left over")

    write(*world(), {}, tmp_path)

    assert held(tmp_path) == {}
