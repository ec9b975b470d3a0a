#!/bin/bash
# The first process of the node's namespaces: sets them up, starts every component, restarts one that ends.
# Its environment comes from node.py: STATE (folder), TIER (control|full), KUBE and NODE (folders of programs),
# CONTROLLERS (the controller manager's list; none when empty), NODE_NAME NODE_IP POD_CIDR SVC_CIDR, CGROUPS ("dir|mount words" separated by ;), IMAGES (archives), OWNED (0|1).
set -u

# The owner holds the other end of our standard input: when it dies, however it dies, the node goes with it.
trap 'exit 0' TERM
if [ "$OWNED" = 1 ]; then (cat >/dev/null; kill -TERM 1) <&0 & fi
exec </dev/null

LOGS=$STATE/logs
PKI=$STATE/pki
CONF=$STATE/conf
say() { echo "$(date +%s.%N) $*" >> "$LOGS/init.log"; }
die() { say "died: $*"; exit 1; }

hide_the_host() {
  # The node's own view of every place that a component writes to: nothing is made on the host.
  mount --make-rshared /
  exec 7<"$STATE"
  mount -t tmpfs -o mode=755 tmpfs /run
  local place
  for place in /var /etc /opt; do
    mkdir -p "/run/.over$place/upper" "/run/.over$place/work"
    mount -t overlay -o "lowerdir=$place,upperdir=/run/.over$place/upper,workdir=/run/.over$place/work" overlay $place || die "overlay $place"
  done
  # Were our own state below one of them, the host would no longer see what we write, such as logs: show it again.
  mkdir -p "$STATE" && mount --no-canonicalize --bind /proc/self/fd/7 "$STATE" || die "bind $STATE"
  exec 7<&-
  # What is large, or a lower layer of another overlay, cannot lie on one.
  for place in /var/lib/kubelet /var/lib/containerd; do
    mkdir -p "$STATE/fs$place" $place && mount --bind "$STATE/fs$place" $place || die "bind $place"
  done
  mount --make-shared /var/lib/kubelet
  mkdir -p /opt/cni/bin /etc/cni/net.d /run/containerd /run/etcd
}

stand_in_for_sysctls() {
  # The kubelet sets these for the whole host; it gets files of ours to read and write instead.
  local pair file
  for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
              kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl.$(basename "${pair%%=*}")
    echo "${pair#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${pair%%=*}" || die "sysctl $pair"
  done
}

show_our_cgroups() {
  # The namespace's root is a subtree of ours; show only that.
  umount -l /sys/fs/cgroup 2>/dev/null
  local entry entries
  IFS=';' read -ra entries <<< "$CGROUPS"
  if [ "${#entries[@]}" -gt 1 ]; then mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup; fi
  for entry in "${entries[@]}"; do
    mkdir -p "${entry%%|*}"
    # shellcheck disable=SC2086 # the words after the bar are words
    mount -t ${entry##*|} cgroup "${entry%%|*}" || die "cgroup $entry"
  done
  if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
    # Version 2 wants no process in a cgroup that has children with controllers.
    mkdir -p /sys/fs/cgroup/init
    while read -r pid; do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs; done < /sys/fs/cgroup/cgroup.procs
    local controller
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
  fi
}

join_the_network() {
  ip link set lo up
  for _ in $(seq 1000); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.01; done
  ip addr add "$NODE_IP/24" dev eth0 && ip link set eth0 up || die eth0
  # A route has to exist before kube-proxy's translation of the address is asked.
  ip route add "$SVC_CIDR" dev eth0
  echo 1 > /proc/sys/net/ipv4/ip_forward
}

start() { # NAME COMMAND...
  local name=$1; shift
  (
    while :; do
      "$@" >> "$LOGS/$name.log" 2>&1 &
      echo $! > "$STATE/$name.pid"; say "start $name $!"
      wait $!; say "ended $name $?"; sleep 0.3
    done
  ) &
}

start_control_plane() {
  start etcd etcd --name node --data-dir /run/etcd --log-level warn --unsafe-no-fsync --quota-backend-bytes 2147483648 --snapshot-count 100000 \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster node=http://127.0.0.1:2380
  start kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address "$NODE_IP" --advertise-address "$NODE_IP" --secure-port 6443 \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
    --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-client-key "$PKI/kubelet-client.key" --kubelet-certificate-authority "$PKI/ca.crt" \
    --kubelet-preferred-address-types InternalIP \
    --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local --api-audiences https://kubernetes.default.svc.cluster.local \
    --requestheader-client-ca-file "$PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$PKI/front-proxy.crt" --proxy-client-key-file "$PKI/front-proxy.key" --enable-aggregator-routing=true \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --service-cluster-ip-range "$SVC_CIDR" \
    --audit-policy-file "$CONF/audit.json" --audit-log-path "$STATE/audit.log" --audit-log-maxsize 4000 \
    --allow-privileged=true --profiling=false --shutdown-delay-duration=0s --default-watch-cache-size=100
}

start_node() {
  cp "$NODE"/{ptp,loopback,host-local,portmap} /opt/cni/bin/
  cp "$CONF/10-node.conflist" /etc/cni/net.d/
  start containerd containerd --config "$CONF/containerd.toml"
  for _ in $(seq 1000); do [ -S /run/containerd/containerd.sock ] && break; sleep 0.02; done
  local archive
  for archive in $IMAGES; do ctr -n k8s.io images import --local "$archive" >> "$LOGS/import.log" 2>&1 & done
  start kubelet kubelet --config "$CONF/kubelet.json" --kubeconfig "$PKI/kubelet.kubeconfig" --hostname-override "$NODE_NAME" --node-ip "$NODE_IP" \
    --root-dir /var/lib/kubelet --node-labels kubernetes.io/os=linux
}

await_the_api() {
  # Controllers end, or back off for seconds, where they come before the RBAC bootstrap.
  until [ "$(kubectl --kubeconfig "$PKI/admin.kubeconfig" get --raw /readyz 2>/dev/null)" = ok ]; do sleep 0.1; done
  say readyz
}

start_controllers() {
  local own=$PKI/controller-manager.kubeconfig
  start kube-controller-manager kube-controller-manager --kubeconfig "$own" --authentication-kubeconfig "$own" --authorization-kubeconfig "$own" \
    --controllers "$CONTROLLERS" --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
    --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
    --cluster-cidr "$POD_CIDR" --allocate-node-cidrs=true --node-cidr-mask-size 24 \
    --horizontal-pod-autoscaler-sync-period=2s --horizontal-pod-autoscaler-initial-readiness-delay=1s \
    --node-monitor-period=2s --node-monitor-grace-period=20s --kube-api-qps=500 --kube-api-burst=1000 \
    --flex-volume-plugin-dir=/var/lib/kubelet/volumeplugins --terminated-pod-gc-threshold=50 --profiling=false
}

# The enforcer marks a judged connection by a label that it sends with its verdict, which a kernel without
# NETLINK_GLUE_CT ignores: then it judges each reply as a connection of its own, and a pod that may not reach out could
# not answer either. Mark what the other side has answered, so that only new connections are judged.
accept_replies() {
  nft -f - <<'RULES'
table inet regent-established {
  chain postrouting {
    type filter hook postrouting priority 94; policy accept;
    ct state established,related ct label set 28
  }
}
RULES
}

start_scheduling() {
  local own=$PKI/scheduler.kubeconfig
  start kube-scheduler kube-scheduler --kubeconfig "$own" --authentication-kubeconfig "$own" --authorization-kubeconfig "$own" \
    --bind-address 127.0.0.1 --leader-elect=false --profiling=false
  start kube-proxy kube-proxy --config "$CONF/proxy.json" --hostname-override "$NODE_NAME"
  accept_replies
  start kube-network-policies kube-network-policies --kubeconfig "$PKI/network-policies.kubeconfig" --hostname-override "$NODE_NAME" \
    --metrics-bind-address 127.0.0.1:9088
}

say begin
hostname "$NODE_NAME"
hide_the_host
stand_in_for_sysctls
show_our_cgroups
join_the_network
say network
start_control_plane
[ "$TIER" = control ] || start_node
if [ -n "$CONTROLLERS" ]; then await_the_api; start_controllers; fi
[ "$TIER" = control ] || start_scheduling
say started
while :; do wait -n || sleep 0.2; done
