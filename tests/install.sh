#!/bin/sh
# install.sh - what `make install` puts somewhere is complete: a program compiled with pkg-config runs.
set -eu
B=${B:-build}
passed=0
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
check() {
    name=$1
    shift
    if "$@"; then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "FAILED - $name"
        echo "$passed passed, 1 failed, 0 skipped"
        exit 1
    fi
}
make -s --no-print-directory install B="$B" DESTDIR="$root" PREFIX=/usr >/dev/null
check "the command is installed and runs" sh -c "LD_LIBRARY_PATH=$root/usr/lib $root/usr/bin/p2pconnect --version >/dev/null"
check "the man page is installed" test -s "$root/usr/share/man/man1/p2pconnect.1"
check "only one header is installed" test "$(ls "$root/usr/include")" = p2pconnect.h
cat >"$root/try.c" <<'PROGRAM'
#include <p2pconnect.h>
#include <string.h>
int main(void)
{
    struct p2p_config config = {.size = sizeof config};
    struct p2p_node *node = NULL;
    int err = p2p_node_new(&node, &config);
    p2p_node_free(node);
    return err || strlen(p2p_version()) == 0;
}
PROGRAM
export PKG_CONFIG_PATH="$root/usr/lib/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$root"
flags=$(pkg-config --cflags --libs libp2pconnect)
# shellcheck disable=SC2086
check "a program compiles with pkg-config's flags" gcc -std=c11 -Wall -Wextra -Werror -o "$root/try" "$root/try.c" $flags
check "and runs with the shared library" env LD_LIBRARY_PATH="$root/usr/lib" "$root/try"
nm -D --defined-only "$root/usr/lib/libp2pconnect.so" | awk '{print $3}' | grep -v '^p2p_' >"$root/foreign" && foreign=1 || foreign=0
check "the shared library exports nothing but p2p_ names" test $foreign = 0
make -s --no-print-directory uninstall B="$B" DESTDIR="$root" PREFIX=/usr >/dev/null
check "uninstall leaves no file" test -z "$(find "$root/usr" -type f -o -type l)"
echo "$passed passed, 0 failed, 0 skipped"
