#!/bin/sh
# Installs the Debian packages named as arguments that are missing, and says which; does nothing if all are there.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not Debian. Install by hand what these Debian packages hold:"
    printf '  %s\n' "$@"
    echo "Needed versions: QEMU 7.2 or later with riscv64, gcc for riscv64 (10 or later), Python 3.9 or later."
    exit 1
fi

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "deps: everything is there"
    exit 0
fi

echo "deps: installing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "deps: become root, then: apt-get install$missing"; exit 1; }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# A fresh machine has no package lists, or old ones.
$as_root apt-get -q install -y --no-install-recommends $missing >/dev/null 2>&1 && exit 0
$as_root apt-get -q update
exec $as_root apt-get -q install -y --no-install-recommends $missing
