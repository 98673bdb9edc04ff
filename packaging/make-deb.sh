#!/bin/bash
# Makes a Debian package of a release build: what `make install` puts into place, and what dpkg has to know about it.
#
# usage: packaging/make-deb.sh UNDERSTUDY-BINARY [DIRECTORY]     prints the package's path
set -euo pipefail

binary=$(realpath "$1")
target=$(realpath "${2:-.}")
cd "$(dirname "$0")/.."

# Debian's order of versions wants a digit first.
version=$("$binary" version | sed -n 's/^understudy \([0-9][0-9A-Za-z.+~]*\)$/\1/p')
[[ -n $version ]] || { echo "make-deb: $binary does not say its version" >&2; exit 1; }
architecture=$(dpkg --print-architecture)

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
make --no-print-directory install BINARY="$binary" DESTDIR="$place" PREFIX=/usr >&2
# Debian compresses what is read by people alone.
install -D -m 644 CHANGELOG.md "$place/usr/share/doc/understudy/changelog"
gzip -9n "$place/usr/share/doc/understudy/changelog"
find "$place" -type d -exec chmod 755 {} +

# The packages that the libraries of this very binary come from.
depends=()
while read -r library; do
    package=$(dpkg-query -S "$(realpath "$library")" "$library" 2>/dev/null | sed -n '1s/[:,].*//p') || true
    [[ -n $package ]] && depends+=("$package")
done < <(ldd "$binary" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p')
list=$(printf '%s\n' "${depends[@]}" | sed '/^$/d' | sort -u | paste -sd, | sed 's/,/, /g')

mkdir "$place/DEBIAN"
{
    echo "Package: understudy"
    echo "Version: $version"
    echo "Architecture: $architecture"
    echo "Maintainer: Understudy <root@localhost>"
    echo "Section: net"
    echo "Priority: optional"
    echo "Installed-Size: $(du -sk --exclude=DEBIAN "$place" | cut -f1)"
    if [[ -n $list ]]; then echo "Depends: $list"; fi
    echo "Description: MQTT load balancer with failover between two hosts"
    echo " One address, two hosts, and MQTT sessions that outlive crashes, reloads and upgrades:"
    echo " VRRP, an MQTT-aware balancer, and a supervisor in one program with one configuration file."
} > "$place/DEBIAN/control"
echo /etc/understudy/understudy.conf > "$place/DEBIAN/conffiles"

# A package of another version is another program for the running daemon, which moves to it with its sessions. Nothing is
# started at the first installation: the configuration is an example until somebody has written one.
cat > "$place/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
[ "$1" = configure ] && [ -z "$DPKG_ROOT" ] || exit 0
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers understudy.conf
elif ! getent passwd understudy >/dev/null; then
    useradd --system --user-group --home-dir / --shell /usr/sbin/nologin understudy
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if systemctl --quiet is-active understudy.service; then
        /usr/sbin/understudy upgrade || {
            echo "understudy: the daemon goes on as the program it was; see 'understudy upgrade --drain'" >&2
        }
    fi
fi
SCRIPT
# Removed, not upgraded: the daemon ends in order before its program is gone.
cat > "$place/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl disable --now understudy.service || true
fi
SCRIPT
cat > "$place/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
SCRIPT
chmod 755 "$place"/DEBIAN/{postinst,prerm,postrm}

package="$target/understudy_${version}_$architecture.deb"
dpkg-deb --root-owner-group --build "$place" "$package" >&2
echo "$package"
