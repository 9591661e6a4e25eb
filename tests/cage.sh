#!/bin/bash
# cage.sh - where no namespaces can be made: what the Landlock cage keeps from a compiler, and that
# everything is graded there as elsewhere. Called by run.sh. Last line: cage: N passed, N failed.
#
# The whole is tried as an ordinary user and, if we are root, as a root without capabilities, both
# with new namespaces and mounts refused by seccomp, as docker's own profile does.
set -u
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
pass() { passed=$((passed + 1)) && echo "  ok    $*"; }
fail() { failed=$((failed + 1)) && echo "  FAIL  $*"; }

cage() { build/bin/cage --work "$scratch/work" -- "$@" >"$scratch/out" 2>&1; }
kept() { if cage "${@:2}"; then fail "$1" && cat "$scratch/out"; else pass "$1"; fi; }

mkdir "$scratch/work" "$scratch/other"
chmod 777 "$scratch" "$scratch/other" && echo secret >"$scratch/other/file"
chmod 666 "$scratch/other/file"
if cage sh -c 'echo "int main(void) { return 0; }" >a.c && TMPDIR=. gcc a.c -o a && test -s a'; then
    pass "a compiler works in the cage"
else
    fail "a compiler works in the cage" && cat "$scratch/out"
fi
kept "it does not see the solutions" cat "$PWD/solutions/01-kvm-open/kvm_open.c"
kept "nor the system's users" cat /etc/passwd
kept "nor other processes" cat "/proc/$$/environ"
kept "nor what another submission's folder holds" cat "$scratch/other/file"
kept "it does not write there" sh -c "echo forged >>'$scratch/other/file'"
kept "nor cut a file there" perl -e "exit !truncate('$scratch/other/file', 0)"
kept "nor make one" sh -c ": >'$scratch/other/new'"
kept "nor in /tmp" sh -c ": >/tmp/cage-was-here"
kept "it sends no signal" sh -c "kill -0 $$"
kept "it makes no socket" perl -MSocket -e 'exit !socket(my $s, AF_INET, SOCK_STREAM, 0)'
kept "nor one that leads nowhere" perl -MSocket -e 'exit !socket(my $s, AF_UNIX, SOCK_STREAM, 0)'
kept "it makes no namespaces" unshare -r true
kept "it raises no limit" prlimit --nofile=1024:1048576 true
cage chmod 600 "$scratch/other/file"
if [ "$(stat -c %a "$scratch/other/file")" = 666 ] && [ "$(cat "$scratch/other/file")" = secret ]; then
    pass "what lies elsewhere is as it was"
else
    fail "what lies elsewhere is as it was"
fi

gcc -O2 -Wall -Wextra tests/no_namespaces.c -o "$scratch/no_namespaces" || exit 3

# as WHO COMMAND... - in a copy of the kit that belongs to WHO, without namespaces
copy() { rm -rf "$scratch/kit" && mkdir "$scratch/kit" &&
    cp -a --sparse=always build common grader labs solutions Makefile "$scratch/kit/" &&
    rm -rf "$scratch/kit/build/cache" "$scratch/kit/build/tmp" && chown -R "$1" "$scratch/kit"; }
as() {
    case $1 in
    user) (cd "$scratch/kit" && "$scratch/no_namespaces" "${@:2}") ;;
    other) (cd "$scratch/kit" && setpriv --reuid nobody --regid nogroup --clear-groups "$scratch/no_namespaces" "${@:2}") ;;
    root) (cd "$scratch/kit" && "$scratch/no_namespaces" setpriv --bounding-set -all --inh-caps -all "${@:2}") ;;
    esac
}
# graded WHO - the reference, somebody else's part, and with CAGE_LONG=1 attacks and mutants
graded() {
    local who=$1 verb
    as "$who" build/bin/grader grade FROM=solutions CAGE=landlock >"$scratch/out" 2>&1
    if grep -q "^Total: 100 of 100" "$scratch/out" && grep -q "^cage: Landlock ABI" "$scratch/out"; then
        pass "$who: the reference has all points, and the report says the cage"
    else
        fail "$who: grade" && grep -aE -A8 '^(cage|Total|  (FAIL|ERROR|SKIP))' "$scratch/out"
    fi
    mkdir -p "$scratch/kit/handed-in" && cp -r solutions/10-nested "$scratch/kit/handed-in/"
    echo '/* not in the cache */' >>"$scratch/kit/handed-in/10-nested/nested_ept.c"
    as "$who" build/bin/grader grade FROM=handed-in LAB=10 >"$scratch/out" 2>&1
    if grep -q "10 of 10 points" "$scratch/out"; then
        pass "$who: somebody else's lab 10 is compiled, linked, flattened and emulated"
    else
        fail "$who: somebody else's submission" && head -n 20 "$scratch/out"
    fi
    for verb in ${CAGE_LONG:+attacks mutants}; do
        as "$who" build/bin/grader "$verb" NAMED=1 CAGE=landlock >"$scratch/out" 2>&1
        if grep -q "^$verb: [1-9][0-9]* passed, 0 failed" "$scratch/out"; then
            pass "$who: $(tail -n 1 "$scratch/out")"
        else
            fail "$who: $verb" && grep -aE "^(FAIL|$verb:)" "$scratch/out"
        fi
    done
}

if [ "$(id -u)" = 0 ]; then
    copy nobody && graded other
    copy root && graded root
else
    copy "$(id -u)" && graded user
fi
echo "cage: $passed passed, $failed failed"
[ $failed = 0 ]
