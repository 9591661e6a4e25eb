#!/bin/sh
# initramfs.sh OUT KERNEL_DIR AGENT - packs the machine's whole file system: the agent as
# /init, the modules, and busybox for `make shell`.
set -eu
out=$1 kernel=$2 agent=$3
root=$out.root
trap 'rm -rf "$root"' EXIT INT TERM

umask 022 # (some file systems refuse chmod)
mkdir "$root"
mkdir -p "$root/bin" "$root/lib" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
cp "$agent" "$root/init"
cp "$kernel"/modules/*.ko "$kernel/modules.list" "$root/lib/"
if [ -e "$kernel/busybox" ]; then
    cp "$kernel/busybox" "$root/bin/busybox"
    for tool in sh ls cat echo ps dmesg mount head tail grep find od kill sleep uname vi; do
        ln -s busybox "$root/bin/$tool"
    done
fi
# All of it belongs to the machine's root, whoever builds it.
(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out.new"
mv "$out.new" "$out"
