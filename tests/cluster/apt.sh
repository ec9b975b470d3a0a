#!/bin/sh
# The Debian packages that a node, its images and their builds need. Installs what is missing; says nothing when all is
# there. Works on Debian 12 or newer and Ubuntu 22.04 or newer, as root or through sudo. With arguments: those instead.
set -eu

packages="$*"
[ -n "$packages" ] || packages="
  ca-certificates
  openssl
  iproute2
  iptables
  nftables
  conntrack
  procps
  runc
  gcc
  libc6-dev
  mmdebstrap
  debian-archive-keyring
  buildah
"

missing=""
for package in $packages; do
  case "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
install_missing() {
  # shellcheck disable=SC2086 # each word is a package
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --option DPkg::Lock::Timeout=300 --yes --quiet --quiet --no-install-recommends $missing >&2
}

echo "installing$missing" >&2
# The package lists of a new machine are old or absent: fetch them only if the first try shows so.
install_missing 2>/dev/null || { $as_root apt-get update --quiet --quiet >&2; install_missing; }
