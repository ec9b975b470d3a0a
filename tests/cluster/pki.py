"""Every key and certificate of one cluster, and a kubeconfig for each of its users, made by the openssl program."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from . import command
from .network import Network

NODE_NAME = "node-1"
DAYS = "30"


@dataclass(frozen=True)
class Certificate:
    """`subject` in openssl's form; `names` are subject alternative names; the key is EC P-256."""

    name: str
    subject: str
    names: str = ""
    authority: str = "ca"
    kubeconfig: bool = False


def certificates(network: Network) -> list[Certificate]:
    service = ",".join(
        f"DNS:kubernetes{tail}" for tail in ("", ".default", ".default.svc", ".default.svc.cluster.local")
    )
    return [
        Certificate(
            "apiserver",
            "/CN=kube-apiserver",
            f"{service},DNS:localhost,IP:{network.api_service},IP:{network.node},IP:127.0.0.1",
        ),
        Certificate("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("front-proxy", "/CN=front-proxy-client", authority="front-proxy-ca"),
        Certificate("admin", "/O=system:masters/CN=admin", kubeconfig=True),
        Certificate("controller-manager", "/CN=system:kube-controller-manager", kubeconfig=True),
        Certificate("scheduler", "/CN=system:kube-scheduler", kubeconfig=True),
        Certificate("proxy", "/CN=system:kube-proxy", kubeconfig=True),
        Certificate("network-policies", "/O=system:masters/CN=system:kube-network-policies", kubeconfig=True),
        Certificate(
            "kubelet",
            f"/O=system:nodes/CN=system:node:{NODE_NAME}",
            f"DNS:{NODE_NAME},IP:{network.node}",
            kubeconfig=True,
        ),
    ]


def write(folder: Path, network: Network) -> None:
    """Fills `folder` (made with mode 0700): NAME.key, NAME.crt, NAME.kubeconfig, and sa.key, sa.pub for tokens."""
    folder.mkdir(mode=0o700)
    for authority in ("ca", "front-proxy-ca"):
        _sign(folder, Certificate(authority, f"/CN={authority}"), own=True)
    for certificate in certificates(network):
        _sign(folder, certificate)
        if certificate.kubeconfig:
            text = _kubeconfig(folder, certificate.name, f"https://{network.node}:6443")
            (folder / f"{certificate.name}.kubeconfig").write_text(text)
    # RSA as with kubeadm: who verifies tokens in tests meets the algorithm of most clusters.
    command.run("openssl", "genrsa", "-out", folder / "sa.key", "2048")
    command.run("openssl", "rsa", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub")


def _sign(folder: Path, certificate: Certificate, *, own: bool = False) -> None:
    usage = (
        "CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature"
        if own
        else "CA:FALSE\nkeyUsage=digitalSignature\n"
    )
    extensions = f"basicConstraints=critical,{usage}"
    if not own:
        extensions += "extendedKeyUsage=serverAuth,clientAuth\n"
    if certificate.names:
        extensions += f"subjectAltName={certificate.names}\n"
    config = folder / "openssl.cnf"
    config.write_text(f"[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n{extensions}")
    signer = (
        ()
        if own
        else ("-CA", folder / f"{certificate.authority}.crt", "-CAkey", folder / f"{certificate.authority}.key")
    )
    command.run(
        *("openssl", "req", "-x509", "-config", config, "-subj", certificate.subject, "-days", DAYS, *signer),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-keyout", folder / f"{certificate.name}.key", "-out", folder / f"{certificate.name}.crt"),
    )
    config.unlink()


def _kubeconfig(folder: Path, name: str, server: str) -> str:
    """JSON, which is YAML."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "regent", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "regent", "context": {"cluster": "regent", "user": name}}],
            "current-context": "regent",
        },
        indent=1,
    )
