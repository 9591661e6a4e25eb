#!/bin/sh
# guest_linux.sh OUT KERNEL_DIR ANSWER INIT STRIP - what the capstone's VMM boots: OUT/vmlinux, without
# the symbols that only a debugger reads, and OUT/initramfs.
set -eu
out=$1 kernel=$2 answer=$3 init=$4 strip=$5
root=$out/root
trap 'rm -rf "$root"' EXIT INT TERM

umask 022 # (some file systems refuse chmod)
mkdir "$root"
"$strip" -s -o "$out/vmlinux" "$kernel/vmlinux"
mkdir -p "$root/bin" "$root/lib" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
cp "$init" "$root/init"
cp "$answer" "$root/bin/answer"
cp "$kernel/busybox" "$root/bin/busybox"
cp "$kernel"/guest/*.ko "$root/lib/" 2>/dev/null || true
chmod 755 "$root/init" "$root/bin/answer" "$root/bin/busybox"
(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out/initramfs"
