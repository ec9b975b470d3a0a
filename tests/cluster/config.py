"""The files that the node's components read at start. The flags stand in init.sh.

What differs from a node on a machine of its own: `restrict_oom_score_adj` and the zeros of `oomScoreAdj` and
`conntrack` (a sandbox lacks CAP_SYS_RESOURCE and the host's sysctls are not ours), no resolv.conf, no disk eviction.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from .network import Network

PAUSE = "localhost/pause:1"


def write(folder: Path, network: Network, pki: Path, programs: Path) -> None:
    """Fills `folder`; `programs` holds containerd's shim."""
    folder.mkdir()
    (folder / "audit.json").write_text(json.dumps(audit_policy()))
    (folder / "10-node.conflist").write_text(json.dumps(pod_network(network)))
    (folder / "kubelet.json").write_text(json.dumps(kubelet(network, pki)))
    (folder / "proxy.json").write_text(json.dumps(proxy(network, pki)))
    (folder / "containerd.toml").write_text(containerd(programs))


def audit_policy() -> dict[str, Any]:
    """One record for each finished request, of everyone but the system's own components; of what an agent is told, whole."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*"]},
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "users": ["system:apiserver", *_COMPONENTS]},
            {
                "level": "Request",
                "verbs": ["patch"],
                "resources": [{"group": "regent.dev", "resources": ["aiagents/status"]}],
            },
            {"level": "Metadata"},
        ],
    }


def pod_network(network: Network) -> dict[str, Any]:
    """ptp and not bridge: each packet between pods passes netfilter, hence the policies."""
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni-ipam",
        "ranges": [[{"subnet": network.node_pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "node",
        "plugins": [
            {"type": "ptp", "mtu": 1500, "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "iptables"},
        ],
    }


def kubelet(network: Network, pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "clusterDNS": [network.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "oomScoreAdj": 0,
        "failSwapOn": False,
        "makeIPTablesUtilChains": True,
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
        "healthzBindAddress": "127.0.0.1",
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "shutdownGracePeriod": "0s",
        "podPidsLimit": 4096,
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
    }


def proxy(network: Network, pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(pki / "proxy.kubeconfig")},
        "mode": "nftables",
        "clusterCIDR": network.pods,
        "detectLocalMode": "ClusterCIDR",
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def containerd(programs: Path) -> str:
    return textwrap.dedent(f"""\
        version = 3
        root = "/var/lib/containerd"
        state = "/run/containerd"
        disabled_plugins = [
          "io.containerd.snapshotter.v1.btrfs",
          "io.containerd.snapshotter.v1.zfs",
          "io.containerd.snapshotter.v1.devmapper",
          "io.containerd.snapshotter.v1.blockfile",
          "io.containerd.snapshotter.v1.erofs",
          "io.containerd.tracing.processor.v1.otlp",
          "io.containerd.internal.v1.tracing",
        ]
        [grpc]
          address = "/run/containerd/containerd.sock"
        [plugins.'io.containerd.cri.v1.images']
          snapshotter = "overlayfs"
          [plugins.'io.containerd.cri.v1.images'.pinned_images]
            sandbox = "{PAUSE}"
        [plugins.'io.containerd.cri.v1.runtime']
          restrict_oom_score_adj = true
          disable_apparmor = true
          max_container_log_line_size = 65536
          [plugins.'io.containerd.cri.v1.runtime'.cni]
            bin_dirs = ["/opt/cni/bin"]
            conf_dir = "/etc/cni/net.d"
          [plugins.'io.containerd.cri.v1.runtime'.containerd]
            default_runtime_name = "runc"
            [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"
              runtime_path = "{programs}/containerd-shim-runc-v2"
              [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
                SystemdCgroup = false
                BinaryName = "runc"
        """)


_COMPONENTS = tuple(f"system:kube-{name}" for name in ("controller-manager", "scheduler", "proxy", "network-policies"))
