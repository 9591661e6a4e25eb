#!/bin/sh
# kit.sh OUT INITRAMFS [SUBJECT] - the machine's file system with what `make shell` has beside it,
# in /kit: the VMM of make run (if there is one), as `vmm`, and the labs' guests. The kernel unpacks
# one archive after the other.
set -eu
out=$1 initramfs=$2 subject=${3:-}
root=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$root"' EXIT INT TERM

chmod 755 "$root"
mkdir -p "$root/kit"
for folder in build/guests/*-*; do
    mkdir -p "$root/kit/guests/${folder##*/}"
    cp "$folder"/*.bin "$root/kit/guests/${folder##*/}/"
done
{
    echo
    echo "In this machine /dev/kvm is real, and so are VFIO and the IOMMU."
    if [ -n "$subject" ]; then
        cp "$subject" "$root/kit/subject"
        printf '#!/bin/sh\nexec /init run /kit/subject\n' >"$root/kit/vmm"
        chmod 755 "$root/kit/vmm"
        echo "  vmm                      your VMM (parts 01 to 03) and its guest"
    fi
    echo "  ls -R guests             the labs' guests, as bytes (od -x shows them)"
    echo "  cd /sys/kernel/tracing   echo 1 >events/kvm/enable, run vmm, cat trace"
    echo "  exit                     ends it; Ctrl-A X kills it"
} >"$root/kit/README"
(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out.kit"
cat "$initramfs" "$out.kit" >"$out"
rm "$out.kit"
