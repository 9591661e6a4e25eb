# kernel.bats - which kernel the machine gets: kernel.sh with the distributions' package layouts,
# made up (a bzImage with a few bytes in it, empty modules), and the true apt.

bats_require_minimum_version 1.5.0

setup() {
    KERNEL_SH="$PWD/grader/machine/kernel.sh"
    REPO="$BATS_TEST_TMPDIR/repo"
    OUT="$BATS_TEST_TMPDIR/out"
    mkdir -p "$REPO" "$BATS_TEST_TMPDIR"/lists/partial "$BATS_TEST_TMPDIR"/parts
    echo "deb [trusted=yes] file:$REPO ./" >"$BATS_TEST_TMPDIR/sources.list"
    cat >"$BATS_TEST_TMPDIR/apt.conf" <<END
Dir::Etc::sourcelist "$BATS_TEST_TMPDIR/sources.list";
Dir::Etc::sourceparts "$BATS_TEST_TMPDIR/parts";
Dir::State::Lists "$BATS_TEST_TMPDIR/lists";
Dir::State::status "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
END
    : >"$REPO/Packages"
    mkdir -p "$BATS_TEST_TMPDIR/busybox/bin"
    echo busybox >"$BATS_TEST_TMPDIR/busybox/bin/busybox"
    package busybox-static "$BATS_TEST_TMPDIR/busybox"
}

has() { [[ "$output" == *"$1"* ]] || { echo "expected: $1"; echo "$output"; return 1; }; }
hasnt() { [[ "$output" != *"$1"* ]] || { echo "not expected: $1"; echo "$output"; return 1; }; }

# package NAME [FOLDER [DEPENDS]] - puts a package into the made-up distribution.
package() {
    local folder=${2:-$BATS_TEST_TMPDIR/nothing} file="$REPO/$1.deb"
    mkdir -p "$folder/DEBIAN"
    printf 'Package: %s\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <n@example.org>\n%sDescription: made up\n' \
        "$1" "${3:+Depends: $3
}" >"$folder/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$folder" "$file" >/dev/null
    { cat "$folder/DEBIAN/control"
      printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' "$1" "$(stat -c %s "$file")" \
          "$(sha256sum "$file" | cut -d ' ' -f 1)"; } >>"$REPO/Packages"
    rm -rf "$folder/DEBIAN"
}

u16() { printf "\\$(printf %03o $(($1 & 255)))\\$(printf %03o $(($1 >> 8)))"; }
put() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# image FILE VERSION - a bzImage: boot protocol's header, version, and an "ELF file" in zstd.
image() {
    mkdir -p "$(dirname "$1")"
    printf '\177ELF%s' "$2" | zstd -qc >"$1.payload"
    head -c 1024 /dev/zero >"$1"
    cat "$1.payload" >>"$1"
    printf '\001' | put "$1" 497
    printf HdrS | put "$1" 514
    u16 256 | put "$1" 526
    printf '%s (made up)\0' "$2" | put "$1" 768
    u16 0 | put "$1" 584
    u16 "$(stat -c %s "$1.payload")" | put "$1" 588
    rm "$1.payload"
}

# modules FOLDER VERSION ENDING NAME...
modules() {
    local folder=$1 version=$2 ending=$3 name
    shift 3
    mkdir -p "$folder/kernel"
    for name in "$@"; do
        printf 'vermagic=%s SMP \0' "$version" >"$folder/kernel/$name.ko"
        case $ending in
        zst) zstd -q --rm "$folder/kernel/$name.ko" ;;
        xz) xz "$folder/kernel/$name.ko" ;;
        esac
    done
}

builtin_modules() { # FOLDER NAME...
    local folder=$1 name
    shift
    for name in "$@"; do echo "kernel/drivers/$name.ko"; done >"$folder/modules.builtin"
}

kernel() {
    printf 'ID=%s\nVERSION_ID="%s"\n' "$1" "$2" >"$BATS_TEST_TMPDIR/os-release"
    APT_CONFIG="$BATS_TEST_TMPDIR/apt.conf" OS_RELEASE="$BATS_TEST_TMPDIR/os-release" \
        run -"$3" sh "$KERNEL_SH" "$OUT"
}

@test "Debian 12: 6.12 before 6.1, whatever comes first in apt's lists; one package, .ko.xz" {
    for version in 6.1.0-9-cloud-amd64 6.12.9+deb12-cloud-amd64; do
        root="$BATS_TEST_TMPDIR/$version"
        image "$root/boot/vmlinuz-$version" "$version"
        modules "$root/lib/modules/$version" "$version" xz virtio_ring virtio virtio_pci \
            virtio_console irqbypass kvm kvm-amd vfio vfio_iommu_type1 vfio-pci
        package "linux-image-$version" "$root"
    done
    package linux-image-cloud-amd64 "" "linux-image-6.1.0-9-cloud-amd64 (= 1)"
    package linux-image-6.12-cloud-amd64 "" "linux-image-6.12.9+deb12-cloud-amd64 (= 1)"
    kernel debian 12 0
    has "kernel ready: vmlinuz-6.12.9+deb12-cloud-amd64"
    grep -q 6.12.9 "$OUT/vmlinux" && [ "$(head -n 1 "$OUT/modules.list")" = virtio_ring.ko ]
    grep -q '^kvm-amd.ko nested=1' "$OUT/modules.list" && [ "$(cat "$OUT/busybox")" = busybox ]
}

@test "Debian 13: modules below /usr/lib" {
    root="$BATS_TEST_TMPDIR/root"
    image "$root/boot/vmlinuz-6.12.9-cloud-amd64" 6.12.9-cloud-amd64
    modules "$root/usr/lib/modules/6.12.9-cloud-amd64" 6.12.9-cloud-amd64 xz irqbypass kvm kvm-amd \
        vfio vfio_iommu_type1 vfio-pci-core vfio-pci
    builtin_modules "$root/usr/lib/modules/6.12.9-cloud-amd64" virtio_pci virtio_console
    package linux-image-6.12.9-cloud-amd64 "$root"
    package linux-image-cloud-amd64 "" linux-image-6.12.9-cloud-amd64
    kernel debian 13 0
    has "kernel ready: vmlinuz-6.12.9-cloud-amd64"
}

# Ubuntu has the modules in packages of their own.
ubuntu() { # VERSION ENDING METAPACKAGE NAME...
    local version=$1 ending=$2 meta=$3
    shift 3
    image "$BATS_TEST_TMPDIR/$version/image/boot/vmlinuz-$version" "$version"
    package "linux-image-$version" "$BATS_TEST_TMPDIR/$version/image"
    mkdir -p "$BATS_TEST_TMPDIR/$version/modules/lib/modules/$version"
    builtin_modules "$BATS_TEST_TMPDIR/$version/modules/lib/modules/$version" virtio virtio_pci \
        virtio_console vfio vfio_iommu_type1
    modules "$BATS_TEST_TMPDIR/$version/modules/lib/modules/$version" "$version" "$ending" "$@"
    package "linux-modules-$version" "$BATS_TEST_TMPDIR/$version/modules"
    package "$meta" "" "linux-image-$version"
}

@test "Ubuntu 22.04: -virtual before -kvm, modules in a package of their own, plain .ko" {
    ubuntu 5.15.0-9-kvm ko linux-image-kvm irqbypass
    ubuntu 5.15.0-9-generic ko linux-image-virtual irqbypass kvm kvm-amd vfio-pci-core vfio-pci
    kernel ubuntu 22.04 0
    has "kernel ready: vmlinuz-5.15.0-9-generic" && hasnt "-kvm"
}

@test "Ubuntu 24.04: .ko.zst; a module may be in linux-modules-extra" {
    ubuntu 6.8.0-9-generic zst linux-image-virtual irqbypass kvm kvm-amd
    modules "$BATS_TEST_TMPDIR/extra/lib/modules/6.8.0-9-generic" 6.8.0-9-generic zst \
        vfio-pci-core vfio-pci
    package linux-modules-extra-6.8.0-9-generic "$BATS_TEST_TMPDIR/extra"
    kernel ubuntu 24.04 0
    has "kernel ready: vmlinuz-6.8.0-9-generic" && grep -q '^vfio-pci.ko' "$OUT/modules.list"
}

@test "a kernel that lacks a module is said to, and the next one is tried" {
    ubuntu 6.8.0-9-generic zst linux-image-virtual irqbypass kvm vfio-pci
    ubuntu 6.8.0-8-lowlatency zst linux-image-generic irqbypass kvm kvm-amd vfio-pci
    kernel ubuntu 24.04 0
    has "no module kvm-amd" && has "kernel ready: vmlinuz-6.8.0-8-lowlatency"
}

@test "no kernel at all: one cause, and what can be done" {
    kernel debian 12 3
    has "apt has no kernel" && has "KERNEL=bzImage MODULES="
}

@test "offline, the advice is for somebody offline" {
    echo "deb [trusted=yes] http://127.0.0.1:9/none ./" >"$BATS_TEST_TMPDIR/sources.list"
    kernel debian 12 3
    has "no way to the package servers" && has "build/kernel" && hasnt "apt-get update"
}

@test "KERNEL= of another machine, and modules of another kernel, are refused in a line" {
    version=6.8.0-9-own
    image "$BATS_TEST_TMPDIR/vmlinuz" $version
    modules "$BATS_TEST_TMPDIR/modules" $version ko virtio_pci virtio_console irqbypass kvm \
        kvm-amd vfio vfio_iommu_type1 vfio-pci
    run -0 sh "$KERNEL_SH" "$OUT" "$BATS_TEST_TMPDIR/vmlinuz" "$BATS_TEST_TMPDIR/modules"
    image "$BATS_TEST_TMPDIR/other" 6.8.0-7-own
    run -3 sh "$KERNEL_SH" "$OUT" "$BATS_TEST_TMPDIR/other" "$BATS_TEST_TMPDIR/modules"
    has "not of the kernel" && has "6.8.0-7-own"
    head -c 70000 /dev/zero >"$BATS_TEST_TMPDIR/arm"
    run -3 sh "$KERNEL_SH" "$OUT" "$BATS_TEST_TMPDIR/arm" "$BATS_TEST_TMPDIR/modules"
    has "not a kernel for x86"
    rm "$BATS_TEST_TMPDIR/modules/kernel/vfio-pci.ko"
    run -3 sh "$KERNEL_SH" "$OUT" "$BATS_TEST_TMPDIR/vmlinuz" "$BATS_TEST_TMPDIR/modules"
    has "no module vfio-pci"
}
