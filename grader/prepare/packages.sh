#!/bin/sh
# packages.sh - makes sure that all the kit builds and runs with is installed. Installs what
# is missing with apt (sudo where not root) and says so first; elsewhere it lists what to
# install and ends with status 3.
set -u

# package          what it is for
NEEDED="
gcc:compile the labs and the grader
libc6-dev:C library, static
make:you have it if you read this
qemu-system-x86:the machine with a true /dev/kvm, VT-d and VFIO
bochs:an Intel CPU with VMX and EPT
bochs-term:lets Bochs run without a window
bubblewrap:the sandbox in which submissions are compiled and run
libcmocka-dev:runs the checks
libcjson-dev:reports
libtraceevent-dev:decodes the kernel's tracepoints
libarchive-dev:opens what learning platforms hand out
libssl-dev:hashes, so that nothing stale is ever used
pkg-config:finds libtraceevent
cpio:packs the machine's file system
xz-utils:unpacks kernel modules
zstd:unpacks the kernel
lz4:unpacks the kernel
patch:applies the mutants
"

# On another host, all that is x86 is made by a cross compiler.
cross=
if [ "$(uname -m)" != x86_64 ]; then
    cross=x86_64-linux-gnu-
    NEEDED="$NEEDED
gcc-x86-64-linux-gnu:compiles the labs, guests and the agent, which are x86 code
libc6-dev-amd64-cross:their C library, static
"
fi

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

list() {
    echo "$NEEDED" | while IFS=: read -r package reason; do
        [ -z "$package" ] || printf '  %-20s %s\n' "$package" "$reason"
    done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    # Nothing to ask here: see whether it all happens to be there.
    missing=
    for tool in gcc ${cross}gcc qemu-system-x86_64 bochs bwrap pkg-config cpio xz zstd lz4 patch; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    for header in cmocka.h cjson/cJSON.h archive.h openssl/evp.h traceevent/event-parse.h; do
        echo "#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <$header>" | gcc -E $(pkg-config --cflags libtraceevent 2>/dev/null) - >/dev/null 2>&1 || missing="$missing $header"
    done
    echo 'int main(void) { return 0; }' | ${cross}gcc -static -x c - -o /dev/null 2>/dev/null ||
        missing="$missing static-libc"
    [ -n "$missing" ] || exit 0
    echo "There is no apt here, so nothing can be installed for you." >&2
    echo "Missing:$missing" >&2
    echo "Install these (names as in Debian), then run make again:" >&2
    list >&2
    exit 3
fi

missing=$(echo "$NEEDED" | while IFS=: read -r package reason; do
    [ -z "$package" ] || installed "$package" || echo "$package"
done)
[ -n "$missing" ] || exit 0

echo "The kit needs some packages that are not installed yet:"
echo "$NEEDED" | while IFS=: read -r package reason; do
    [ -z "$package" ] || installed "$package" || printf '  %-20s %s\n' "$package" "$reason"
done
sudo=
if [ "$(id -u)" != 0 ]; then
    sudo="sudo env DEBIAN_FRONTEND=noninteractive"
    command -v sudo >/dev/null || {
        echo "You are not root and there is no sudo. Ask an administrator for:" >&2
        echo "  apt-get install $(echo $missing)" >&2
        exit 3
    }
    # (A password is read from the terminal, wherever our input comes from.)
    sudo -n true 2>/dev/null || (: </dev/tty) 2>/dev/null || {
        echo "sudo asks for a password here, and there is no terminal to type it at. Run:" >&2
        echo "  sudo apt-get install --no-install-recommends $(echo $missing)" >&2
        exit 3
    }
fi
command="${sudo:+sudo }apt-get install --no-install-recommends $(echo $missing)"
echo "Installing them now: $command"
export DEBIAN_FRONTEND=noninteractive
mkdir -p build
log=build/packages.log
# shellcheck disable=SC2086
if ! $sudo apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null; then
    # An old or empty package list is the usual reason.
    echo "(refreshing the list of packages first: apt-get update)"
    $sudo apt-get update >"$log" 2>&1 &&
        $sudo apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null || {
        tail -n 15 "$log" >&2
        echo "(all of it: $log)" >&2
        if grep -qiE 'resolv|connect|unreachable|timed? ?out' "$log"; then
            echo "There is no way to the package servers from here. With a network, once:" >&2
            echo "  $command" >&2
            echo "(or start from an image that has them: README, \"Where it runs\")" >&2
        else
            echo "Could not install them. By hand: $command" >&2
        fi
        exit 3
    }
fi
echo "Installed."
