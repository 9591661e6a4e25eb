#!/bin/sh
# kernel.sh OUT [KERNEL MODULES] - makes OUT/vmlinux, OUT/modules/*.ko, and OUT/guest/*.ko for
# the Linux that runs as a guest (the capstone).
#
# Without KERNEL the cloud kernel of the distribution is fetched as a package and unpacked;
# nothing is installed. With KERNEL (a bzImage) and MODULES (a /lib/modules/VERSION folder)
# those are used. Says what it does on standard error; exit 3 = something has to be
# provided by hand.
set -eu
out=$1 kernel=${2:-} modules=${3:-}

say() { echo "machine: $*" >&2; }
fail() { say "$*"; exit 3; }

# In the order in which they depend on each other; one that is built into the kernel or does
# not exist in its version is left out.
MODULES_WANTED="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
    virtio_console irqbypass ccp kvm kvm-amd vfio vfio_virqfd vfio_iommu_type1
    vfio-pci-core vfio-pci"
# For a guest with a passed-through device: a driver in its user space.
GUEST_MODULES="uio uio_pci_generic"

mkdir -p "$out"
scratch=$(mktemp -d "$out/unpack.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
out=$(cd "$out" && pwd) scratch=$(cd "$scratch" && pwd)

# package_unpack NAME - fetches a package and unpacks it into $scratch/root.
package_unpack() {
    (cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root download "$1" >apt.log 2>&1) || {
        cat "$scratch/apt.log" >&2
        fail "could not fetch the package $1; try: sudo apt-get update"
    }
    # (`dpkg-deb -x` gives up where the file system refuses chmod.)
    dpkg-deb --fsys-tarfile "$scratch"/*.deb >"$scratch/root.tar"
    mkdir -p "$scratch/root"
    tar -xf "$scratch/root.tar" -C "$scratch/root" --no-same-owner --no-same-permissions
    rm "$scratch"/*.deb "$scratch/root.tar"
}

kernel_package() {
    for meta in linux-image-6.12-cloud-amd64 linux-image-cloud-amd64 linux-image-kvm \
        linux-image-virtual; do
        apt-cache depends "$meta" 2>/dev/null |
            sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
    done | head -n 1
}

if [ -z "$kernel" ]; then
    command -v apt-get >/dev/null ||
        fail "no apt here: give KERNEL=bzImage MODULES=/lib/modules/VERSION
(a kernel with kvm, kvm-amd, vfio-pci and virtio_console)"
    package=$(kernel_package)
    [ -n "$package" ] || fail "apt knows no cloud kernel; try: sudo apt-get update"
    say "fetching a kernel (unpacked here, not installed):"
    say "  $package"
    package_unpack "$package"
    # Ubuntu has the modules in packages of their own.
    for extra in "linux-modules-${package#linux-image-}" "linux-modules-extra-${package#linux-image-}"; do
        ! apt-cache show "$extra" >/dev/null 2>&1 || package_unpack "$extra"
    done
    package_unpack busybox-static
    cp "$(find "$scratch/root" -path '*/bin/busybox' -type f | head -n 1)" "$out/busybox"
    kernel=$(find "$scratch/root/boot" -name 'vmlinuz-*' | head -n 1)
    modules=$(find "$scratch/root" -path '*/lib/modules/*' -prune -type d | head -n 1)
elif command -v busybox >/dev/null; then
    cp "$(command -v busybox)" "$out/busybox"
fi
[ -r "$kernel" ] || fail "cannot read the kernel '$kernel'"
[ -d "$modules" ] || fail "no folder of modules '$modules'"

# --- vmlinux: the bzImage's payload (boot protocol: setup_sects at 1f1h, payload at 248h) ---
u8() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
u32() { od -An -tu4 -j"$2" -N4 "$1" | tr -d ' '; }
sectors=$(u8 "$kernel" 497)
[ "$sectors" != 0 ] || sectors=4
start=$(((sectors + 1) * 512 + $(u32 "$kernel" 584)))
tail -c "+$((start + 1))" "$kernel" | head -c "$(u32 "$kernel" 588)" >"$scratch/payload"
case $(od -An -tx1 -N4 "$scratch/payload" | tr -d ' ') in
28b52ffd) unpack="zstd -qdc" ;;
02214c18) unpack="lz4 -qdc" ;;
fd377a58) unpack="xz -qdc" ;;
1f8b*) unpack="gzip -qdc" ;;
*) fail "$kernel: the kernel inside is compressed in a way not known here" ;;
esac
# The payload ends with the unpacked size (4 bytes), which the tools call trailing garbage.
$unpack "$scratch/payload" >"$scratch/vmlinux" 2>/dev/null || true
case $(od -An -tx1 -N4 "$scratch/vmlinux" | tr -d ' ') in
7f454c46) ;;
*) fail "$kernel: could not unpack the kernel inside" ;;
esac

# --- modules -----------------------------------------------------------------------------
# module_unpack NAME FOLDER - false: this kernel has none of that name.
module_unpack() {
    file=$(find "$modules" -name "$1.ko" -o -name "$1.ko.xz" -o -name "$1.ko.zst" | head -n 1)
    case $file in
    "") return 1 ;;
    *.xz) xz -qdc "$file" >"$2/$1.ko" ;;
    *.zst) zstd -qdc "$file" >"$2/$1.ko" ;;
    *) cp "$file" "$2/$1.ko" ;;
    esac
}

mkdir -p "$out/modules" "$out/guest"
: >"$out/modules.list"
for name in $MODULES_WANTED; do
    module_unpack "$name" "$out/modules" || continue
    case $name in
    kvm-amd) echo "$name.ko nested=1 npt=1" ;;
    *) echo "$name.ko" ;;
    esac >>"$out/modules.list"
done
for name in $GUEST_MODULES; do
    module_unpack "$name" "$out/guest" || true
done
grep -q '^kvm-amd' "$out/modules.list" || fail "$modules has no kvm-amd module"
mv "$scratch/vmlinux" "$out/vmlinux"
say "kernel ready: ${kernel##*/}"
