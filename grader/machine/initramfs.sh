#!/bin/sh
# initramfs.sh OUT KERNEL_DIR AGENT [BOOT_DIR] - packs the machine's whole file system: the agent
# as /init, the modules, busybox for `make shell`, and in /boot what a guest boots (the capstone).
set -eu
out=$1 kernel=$2 agent=$3 boot=${4:-}
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
if [ -n "$boot" ]; then
    mkdir "$root/boot"
    cp "$boot/vmlinux" "$boot/initramfs" "$root/boot/"
fi
# All of it belongs to the machine's root, whoever builds it.
(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out.new"
mv "$out.new" "$out"
