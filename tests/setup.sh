#!/bin/sh
# setup.sh - installs what is missing: setup.sh build|demo|test|deb|static|all
# On Debian and its kin through apt (and sudo where needed); elsewhere it says what to install and fails.
set -eu
what=${1:-build}

build="pkg-config gcc make libmosquitto-dev libcjson-dev libsodium-dev libngtcp2-dev libngtcp2-crypto-gnutls-dev
libgnutls28-dev nettle-dev libminiupnpc-dev"
# Intel's multi-buffer library, which makes AES faster, is for amd64 alone; elsewhere it is left out.
[ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || build="$build libipsec-mb-dev"
demo="$build mosquitto python3"
test="$demo clang clang-format libclang-rt-dev libcmocka-dev libnice-dev coturn mosquitto-clients socat nftables
iproute2 procps openssl man-db miniupnpd-nftables zsh fish debhelper musl-tools"
deb="$build dpkg-dev debhelper"
static="$build libunistring-dev"
all="$test $static cppcheck tcpdump strace mandoc lintian debootstrap"

case $what in
build) packages=$build ;;
demo) packages=$demo ;;
test) packages=$test ;;
deb) packages=$deb ;;
static) packages=$static ;;
all) packages=$all ;;
*)
    echo "setup.sh: build, demo, test, deb, static or all, not '$what'" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    for module in libmosquitto libcjson libsodium libngtcp2 libngtcp2_crypto_gnutls gnutls nettle miniupnpc; do
        pkg-config --exists $module 2>/dev/null || missing="${missing:-} $module"
    done
    [ -z "${missing:-}" ] && exit 0
    echo "Please install these development packages with your system's package manager (names of pkg-config):" >&2
    echo "   $missing" >&2
    echo "On amd64 libipsec-mb makes encryption faster; p2pconnect is built without it too." >&2
    exit 1
fi

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "Installing:$missing"
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
    echo "Please run as root: apt-get install$missing" >&2
    exit 1
fi
# Services that packages would start are none of our business: the tests start their own on free ports.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod +x $policy
    made=yes
fi
trap '[ -z "$made" ] || $as_root rm -f $policy' EXIT
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >/dev/null
