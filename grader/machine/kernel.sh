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
# Without these, as modules or built in, there is no machine.
MODULES_NEEDED="virtio_pci virtio_console kvm kvm-amd vfio vfio_iommu_type1 vfio-pci"

mkdir -p "$out"
scratch=$(mktemp -d "$out/unpack.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
out=$(cd "$out" && pwd) scratch=$(cd "$scratch" && pwd)

# --- packages: fetched with apt, which is told nothing that it would keep ----------------------
OS_RELEASE=${OS_RELEASE:-/etc/os-release} # (another one: tests/kernel.bats)
apt_options="-qq -o APT::Sandbox::User=root"
own_lists=no

# The distribution's metapackages, best first. 6.12 is what the kit is made with. Ubuntu's "kvm"
# is a kernel for guests: it may have no KVM of its own.
kernel_candidates() {
    [ ! -r "$OS_RELEASE" ] || . "$OS_RELEASE"
    case ${ID:-}-${VERSION_ID:-} in
    debian-12) echo linux-image-6.12-cloud-amd64 linux-image-cloud-amd64 linux-image-amd64 ;;
    debian-*) echo linux-image-cloud-amd64 linux-image-amd64 ;;
    ubuntu-*) echo linux-image-virtual linux-image-kvm linux-image-generic ;;
    *) echo linux-image-cloud-amd64 linux-image-amd64 linux-image-virtual linux-image-generic ;;
    esac
}

# From here on apt asks the servers anew, for x86 packages, and notes that in our scratch: for
# lists that are old or empty, nobody has to be root; and a machine of another kind (arm64)
# does not have to be told of a second architecture.
own_lists_make() {
    own_lists=yes
    mkdir -p "$scratch/lists/partial" "$scratch/archives/partial" "$scratch/parts"
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "${list:-/dev/null}" "${parts:-/dev/null}"/*.list "${parts:-/dev/null}"/*.sources; do
        [ ! -r "$file" ] || sed -e 's#//ports\.\([^/]*\)/ubuntu-ports#//archive.\1/ubuntu#' \
            -e 's/arch=[a-z0-9,]*//' -e 's/\[ *\]//' -e '/^Architectures:/d' "$file" \
            >"$scratch/parts/${file##*/}"
    done
    apt_options="$apt_options -o APT::Architecture=amd64 -o APT::Architectures=amd64
        -o Dir::State::Lists=$scratch/lists -o Dir::State::status=/dev/null
        -o Dir::Cache::Archives=$scratch/archives -o Dir::Cache::pkgcache=
        -o Dir::Cache::srcpkgcache= -o Dir::Etc::sourcelist=/dev/null
        -o Dir::Etc::sourceparts=$scratch/parts -o Acquire::Languages=none"
    LC_ALL=C apt-get $apt_options update >"$scratch/apt.log" 2>&1 || true
}

# The package behind a metapackage; nothing: apt does not know it.
package_behind() {
    LC_ALL=C apt-cache $apt_options depends "$1" 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

package_known() { apt-cache $apt_options show "$1" >/dev/null 2>&1; }

# package_unpack NAME - fetches a package and unpacks it into $scratch/root. False, with apt's
# words in apt.log: it cannot be had.
package_unpack() {
    (cd "$scratch" && LC_ALL=C apt-get $apt_options download "$1" >>apt.log 2>&1) || return 1
    # (`dpkg-deb -x` gives up where the file system refuses chmod.)
    dpkg-deb --fsys-tarfile "$scratch"/*.deb >"$scratch/root.tar"
    mkdir -p "$scratch/root"
    tar -xf "$scratch/root.tar" -C "$scratch/root" --no-same-owner --no-same-permissions
    rm "$scratch"/*.deb "$scratch/root.tar"
}

module_file() {
    find "$modules" -name "$1.ko" -o -name "$1.ko.xz" -o -name "$1.ko.zst" | head -n 1
}

# The first that is needed and neither in $modules nor built in.
module_missing() {
    for name in $MODULES_NEEDED; do
        [ -n "$(module_file "$name")" ] ||
            tr - _ <"$modules/modules.builtin" 2>/dev/null |
            grep -q "/$(echo "$name" | tr - _)\.ko$" || { echo "$name" && return; }
    done
}

# Image, and its modules, which Ubuntu has in packages of their own. False: this one is not to
# be had here, or is no use to us.
kernel_unpack() {
    rm -rf "$scratch/root"
    package_unpack "$1" || return 1
    for extra in "linux-modules-${1#linux-image-}" "linux-modules-extra-${1#linux-image-}"; do
        ! package_known "$extra" || package_unpack "$extra" || return 1
    done
    kernel=$(find "$scratch/root/boot" -name 'vmlinuz-*' | head -n 1)
    modules=$(find "$scratch/root" -path '*/lib/modules/*' -prune -type d | head -n 1)
    [ -n "$kernel" ] && [ -n "$modules" ] || { say "  (it holds no kernel with modules)" && return 1; }
    lacks=$(module_missing)
    [ -z "$lacks" ] || { say "  (it has no module $lacks)" && return 1; }
}

# kernel_find - the first candidate that can be had and has what we need.
kernel_find() {
    for meta in $(kernel_candidates); do
        package=$(package_behind "$meta")
        [ -n "$package" ] || continue
        say "  $package"
        ! kernel_unpack "$package" || return 0
    done
    return 1
}

# Why nothing can be had, and what to do about it.
fetch_fail() {
    tail -n 3 "$scratch/apt.log" >&2
    ! grep -qiE 'resolv|connect|unreachable|timed? ?out' "$scratch/apt.log" ||
        fail "there is no way to the package servers from here. Without one: run
  make grade
in this kit where there is a network, and copy its folder build/kernel here; or give
  KERNEL=bzImage MODULES=/lib/modules/VERSION"
    fail "apt has no kernel for the machine. Is the distribution's own source in
/etc/apt? Otherwise: KERNEL=bzImage MODULES=/lib/modules/VERSION"
}

if [ -z "$kernel" ]; then
    command -v apt-get >/dev/null ||
        fail "no apt here: give KERNEL=bzImage MODULES=/lib/modules/VERSION
(a kernel with kvm, kvm-amd, vfio-pci and virtio_console)"
    : >"$scratch/apt.log"
    say "fetching a kernel (unpacked here, not installed):"
    first=$(kernel_candidates | cut -d ' ' -f 1)
    [ "$(dpkg --print-architecture)" = amd64 ] && [ -n "$(package_behind "$first")" ] ||
        own_lists_make
    kernel_find && package_unpack busybox-static || {
        [ $own_lists = no ] || fetch_fail
        own_lists_make
        kernel_find && package_unpack busybox-static || fetch_fail
    }
    cp "$(find "$scratch/root" -path '*/bin/busybox' -type f | head -n 1)" "$out/busybox"
elif command -v busybox >/dev/null; then
    cp "$(command -v busybox)" "$out/busybox"
fi
[ -r "$kernel" ] || fail "cannot read the kernel '$kernel'"
[ -d "$modules" ] || fail "no folder of modules '$modules'"

lacks=$(module_missing)
[ -z "$lacks" ] || fail "$modules has no module $lacks, and $kernel has not got it built in"

# --- vmlinux: the bzImage's payload (boot protocol: setup_sects at 1f1h, payload at 248h) ---
u8() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
u16() { od -An -tu2 -j"$2" -N2 "$1" | tr -d ' '; }
u32() { od -An -tu4 -j"$2" -N4 "$1" | tr -d ' '; }
[ "$(tail -c +515 "$kernel" | head -c 4)" = HdrS ] ||
    fail "$kernel is not a kernel for x86 (a bzImage, as /boot/vmlinuz-VERSION)"
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
    file=$(module_file "$1")
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
version=$(tail -c "+$(($(u16 "$kernel" 526) + 513))" "$kernel" | head -c 200 | tr '\0' ' ' |
    cut -d ' ' -f 1)
for file in "$out"/modules/kvm*.ko; do
    [ ! -e "$file" ] || grep -aqF "vermagic=$version " "$file" ||
        fail "the modules in $modules are not of the kernel $kernel ($version)"
done
mv "$scratch/vmlinux" "$out/vmlinux"
say "kernel ready: ${kernel##*/}"
