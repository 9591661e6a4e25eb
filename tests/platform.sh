#!/bin/bash
# platform.sh debian13|debian12|noble|jammy [COMMAND...] - what a new user meets on another distribution: from
# an empty folder (debootstrap) on, with nothing installed but git and make, runs COMMAND in a
# fresh copy of the kit; without one, what CI runs (.ci/run). Needs root, debootstrap, a network
# and 4 GB; takes a quarter of an hour. Not part of `make test`.
#
#   MIRROR=url    where the distribution's packages are; else a Debian is fetched from where this
#                 computer's own apt fetches (a Debian's)
#   ROOT=folder   keep the distribution there, and use it again next time
set -eu
name=${1:-} && [ $# = 0 ] || shift
case $name in
debian12) suite=bookworm parts=main ;;
debian13) suite=trixie parts=main ;;
jammy | noble) suite=$name parts=main,universe ;;
*)
    echo "usage: tests/platform.sh debian12|debian13|jammy|noble [COMMAND...]" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "platform: debootstrap needs root" >&2 && exit 3; }
command -v debootstrap >/dev/null ||
    { echo "platform: debootstrap is missing (apt-get install debootstrap)" >&2 && exit 3; }

from=${MIRROR:-}
case $name in debian*) from=${from:-$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)} ;; esac
[ -n "$from" ] || { echo "platform: from where? MIRROR=url" >&2 && exit 2; }

root=${ROOT:-$(mktemp -d /var/tmp/platform.XXXXXX)}
[ -n "${ROOT:-}" ] || trap 'rm -rf "$root"' EXIT
if [ ! -e "$root/made" ]; then
    echo "platform: making $name"
    debootstrap --variant=minbase --components="$parts" --include=ca-certificates,git,make,procps \
        "$suite" "$root" "$from" >"$root.log" 2>&1 || { tail "$root.log" >&2 && exit 3; }
    touch "$root/made"
fi

# What is committed, and what is not yet: all but what git ignores.
rm -rf "$root/srv/kit" && mkdir "$root/srv/kit"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$root/srv/kit"
git -C "$root/srv/kit" init -q && git -C "$root/srv/kit" add -A

# A mount namespace whose root it is, not a chroot: in that, nobody may make user namespaces.
[ $# -gt 0 ] || set -- .ci/run
unshare --mount --pid --fork --kill-child sh -eu -c '
    root=$1 && shift
    mount --make-rprivate / && mount --bind "$root" "$root" && cd "$root"
    mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp
    cp /etc/resolv.conf /etc/hosts etc/
    mkdir -p .outside && pivot_root . .outside
    umount -l /.outside && cd /srv/kit
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"' - "$root" "$@"
