#!/bin/bash
# arm64.sh - the kit on an arm64 host, without one: grader and checks cross-compiled with Debian's
# packages, under qemu-aarch64, with this computer's QEMU and Bochs; subjects and guests are made
# by the x86-64 compiler under its cross name. Called by `make test SUITE=arm64`, from the kit's top
# folder with everything built. Last line: arm64: N passed, N failed
set -u
passed=0 failed=0
pass() { passed=$((passed + 1)) && echo "  ok    $*"; }
fail() { failed=$((failed + 1)) && echo "  FAIL  $*"; }
end() { echo "arm64: $passed passed, $failed failed" && exit $((failed > 0)); }

for tool in aarch64-linux-gnu-gcc qemu-aarch64-static apt-get x86_64-linux-gnu-gcc; do
    command -v $tool >/dev/null || {
        echo "  SKIP  arm64: no $tool (apt-get install gcc-aarch64-linux-gnu qemu-user-static)"
        end
    }
done
scratch=$(mktemp -d "${TMPDIR:-/tmp}/arm64.XXXXXX") || exit 3
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root kit=$scratch/kit

# --- an arm64 system's libraries: apt with lists and state of its own ---------------------------
sysroot_make() {
    local lists parts file
    mkdir -p "$scratch"/{lists/partial,archives/partial,parts} "$root/usr/lib"
    ln -s usr/lib "$root/lib"
    eval "$(apt-config shell lists Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "$lists" "$parts"/*.list "$parts"/*.sources; do
        [ ! -r "$file" ] || sed -e 's/arch=[a-z0-9,]*//' -e 's/\[ *\]//' -e '/^Architectures:/d' \
            "$file" >"$scratch/parts/${file##*/}"
    done
    local apt="apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture=arm64
        -o APT::Architectures=arm64 -o Dir::State::Lists=$scratch/lists
        -o Dir::State::status=/dev/null -o Dir::Cache::Archives=$scratch/archives
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Etc::sourcelist=/dev/null
        -o Dir::Etc::sourceparts=$scratch/parts -o Acquire::Languages=none -o Debug::NoLocking=1"
    $apt update
    $apt install -y --download-only --no-install-recommends libcmocka-dev libcjson-dev \
        libssl-dev libtraceevent-dev libarchive-dev libc6-dev libgcc-s1 >/dev/null || return 1
    for file in "$scratch"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$file" | tar -x --keep-directory-symlink -C "$root"
    done
}

# --- the kit, built for it. No binfmt_misc is asked for: what is executed gets a script. ----------
kit_make() {
    local multi=usr/lib/aarch64-linux-gnu program
    mkdir -p "$kit/build"
    cp -r common grader labs solutions Makefile "$kit/"
    cp -a --sparse=always build/kernel "$kit/build/"
    touch "$kit/build/packages.ok"
    make -s -C "$kit" MACHINE=aarch64 WERROR=-Werror CC="aarch64-linux-gnu-gcc --sysroot=$root \
        -isystem $root/usr/include/aarch64-linux-gnu -L$root/$multi \
        -Wl,-rpath-link,$root/$multi" all-built >"$scratch/build" 2>&1 || return 1
    for program in "$kit"/build/checks/* "$kit"/build/bin/{grader,cage}; do
        mv "$program" "$program.elf"
        printf '#!/bin/sh\nexec qemu-aarch64-static -L %s "$0.elf" "$@"\n' "$root" >"$program"
        chmod +x "$program"
    done
}

sysroot_make >"$scratch/apt" 2>&1 || { fail "no arm64 packages:" && tail "$scratch/apt"; end; }
kit_make || { fail "it does not build:" && tail -n 20 "$scratch/build"; end; }
pass "grader and checks build for arm64 under -Werror"
cd "$kit" || exit 3
grader=build/bin/grader

for lab in solutions/*/; do
    number=$((10#$(basename "$lab" | cut -c1-2)))
    if $grader grade FROM=solutions LAB=$number >"$scratch/out" 2>&1; then
        pass "lab $number: the reference has all points"
    else
        fail "lab $number:" && grep -aA6 -E '^  (FAIL|SKIP|ERROR)' "$scratch/out"
    fi
done

# Three mutants a lab, spread over the list. (That a check has no mutant is due to that.)
for lab in grader/mutants/*/; do
    count=$(find "$lab" -name '*.patch' | wc -l)
    find "$lab" -name '*.patch' | sort | awk -v n="$count" 'NR % int(n / 3) != 1 || k++ >= 3' |
        xargs rm -f
    $grader mutants LAB=$((10#$(basename "$lab" | cut -c1-2))) >"$scratch/out" 2>&1
    ok=$(grep -ac '^ok ' "$scratch/out")
    passed=$((passed + ok))
    echo "  ok    $(basename "$lab"): $ok mutants lose what they name"
    grep -a '^FAIL' "$scratch/out" | grep -av 'no mutant of' >"$scratch/bad" || continue
    fail "$(basename "$lab"): mutants" && cat "$scratch/bad"
done

# Three attacks that every lab gets.
for attack in $(grep -l 'lab: all' grader/attacks/* | head -n 3); do
    $grader attacks CHECK="$(basename "$attack")" >"$scratch/out" 2>&1
    line=$(grep -a '^attacks: ' "$scratch/out") || line="attacks: 0 passed, 1 failed"
    ok=${line#attacks: } ok=${ok%% *}
    passed=$((passed + ok))
    echo "  ok    $(basename "$attack"): gains nothing in $ok labs"
    ! grep -a '^FAIL' "$scratch/out" || failed=$((failed + 1))
done

run=$($grader grade FROM=solutions LAB=1 SANITIZE=1 2>&1)
case $run in
*"SANITIZE=1 needs an x86 host"*) pass "SANITIZE=1 says why it is skipped" ;;
*) fail "SANITIZE=1:" && echo "$run" | head ;;
esac
message=$(make -s MACHINE=riscv64 progress 2>&1)
case $message in
*"runs on x86-64 and on arm64"*riscv64*) pass "another architecture is refused in a line" ;;
*) fail "MACHINE=riscv64: $message" ;;
esac
end
