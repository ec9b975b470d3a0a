import pytest

from regent_operator.engine.scope import Scope
from regent_operator.settings import parse_settings

REQUIRED = ("--namespace=regent-system", "--runtime-image=regent/runtime:1", "--signing-keys=/keys")


def test_the_defaults_are_cluster_wide_and_read_the_ranges() -> None:
    settings = parse_settings(REQUIRED)
    assert settings.scope == Scope("regent-system", None)
    assert settings.cluster_cidrs == ()
    assert settings.metrics_host is None, "every address, of both families"
    assert settings.installation.runtime_image == "regent/runtime:1"


def test_each_agent_is_looked_at_again_within_half_an_hour_unless_a_flag_says_otherwise() -> None:
    assert parse_settings(REQUIRED).resync_seconds == 1800.0
    assert parse_settings([*REQUIRED, "--resync-seconds=60"]).resync_seconds == 60.0


def test_flags_of_the_chart() -> None:
    settings = parse_settings(
        [
            *REQUIRED,
            "--watch-namespace=a",
            "--watch-namespace=b",
            "--cluster-cidr=10.0.0.0/16",
            "--pod-cidr=10.1.0.0/16",
            "--monitoring-namespace=prometheus",
            '--dns-peers=[{"podSelector": {"matchLabels": {"app": "dns"}}}]',
            "--dns-port=53",
            "--dns-port=5353",
            "--image-pull-policy=Always",
            "--cluster-domain=example.org",
            "--canary-port=9898",
        ]
    )
    assert settings.scope == Scope("regent-system", frozenset({"a", "b"}))
    installation = settings.installation
    assert installation.cluster_cidrs == ("10.0.0.0/16", "10.1.0.0/16")
    assert installation.monitoring_namespaces == ("prometheus",)
    assert installation.dns_peers == ({"podSelector": {"matchLabels": {"app": "dns"}}},)
    assert installation.dns_ports == (53, 5353)
    assert parse_settings(REQUIRED).installation.dns_ports == (53,)
    assert (installation.image_pull_policy, installation.cluster_domain) == ("Always", "example.org")
    assert installation.canary_port == settings.canary_port == 9898


def test_no_canary_is_asked_for_by_port_0() -> None:
    assert parse_settings(REQUIRED).canary_port == 9797
    settings = parse_settings([*REQUIRED, "--canary-port=0"])
    assert (settings.canary_port, settings.installation.canary_port) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        "--watch-namespace=A",
        "--cluster-cidr=10.0.0.1/16",
        "--dns-peers={}",
        "--dns-peers=nonsense",
        "--dns-port=0",
        "--dns-port=65536",
        "--dns-port=dns",
        "--workers=0",
        "--canary-port=80",
        "--canary-port=x",
        "--canary-port=65536",
        "--lease=x",
    ],
)
def test_a_wrong_flag_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse_settings([*REQUIRED, wrong])
    assert refusal.value.code == 2
    assert wrong.partition("=")[0] in capsys.readouterr().err


def test_the_operators_own_namespace_is_always_read() -> None:
    scope = Scope("own", frozenset({"a"}))
    assert scope.read == ("a", "own")
    assert scope.managed == ("a",)
    assert not scope.manages("own")
    assert scope.reads("own")
    assert not scope.reads("b")
