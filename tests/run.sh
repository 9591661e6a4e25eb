#!/bin/bash
# run.sh [SUITE] - the kit's own tests. Called by `make test`, from the kit's top folder, with
# everything built. The last line counts everything: N passed, N failed, N skipped.
#
#   format    clang-format's layout; nothing machine-specific in tracked files
#   build     everything under -Werror
#   starters  labs/ is what solutions/ makes; every check fails on it
#   unit      cmocka tests of core, agent and grader, under ASan and UBSan
#   stress    real threads post to a vCPU (lab 07), under ThreadSanitizer
#   grade     the solutions, with 20 seeds; the model checks under ASan and UBSan
#   mutants   wrong solutions lose exactly what they name
#   attacks   hostile submissions gain nothing
#   usage     bad usage, interruptions, damage, verbs (bats)
#   kernel    which kernel the machine gets, with made-up packages of each distribution (bats)
#   arm64     grader and checks of an arm64 host, under qemu-aarch64 (tests/arm64.sh; only when
#             it is asked for: half an hour)
#   slides    every slide in a headless Chromium: room, size, contrast, links, notes
#   pages     what `make trace` writes, in a headless Chromium
set -u
suites=${*:-format build starters unit stress grade mutants attacks usage kernel slides pages}
passed=0 failed=0 skipped=0
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
grader=build/bin/grader

pass() { passed=$((passed + 1)) && echo "  ok    $*"; }
fail() { failed=$((failed + 1)) && echo "  FAIL  $*"; }
skip() { skipped=$((skipped + 1)) && echo "  SKIP  $*"; }

# check NAME COMMAND... - one test: the command succeeds. Its output is shown if not.
check() {
    local name=$1
    shift
    if "$@" >"$scratch/out" 2>&1; then pass "$name"; else fail "$name" && sed 's/^/        /' "$scratch/out"; fi
}

# counted FILE WORD - adds the N of "WORD: N passed, N failed" (its last line).
counted() {
    local line
    line=$(grep -a "^$2: [0-9]* passed, [0-9]* failed" "$1" | tail -n 1)
    if [ -z "$line" ]; then fail "$2 did not run to its end" && tail -n 20 "$1"; return; fi
    passed=$((passed + $(echo "$line" | sed 's/.*: \([0-9]*\) passed.*/\1/')))
    failed=$((failed + $(echo "$line" | sed 's/.* \([0-9]*\) failed.*/\1/')))
}

suite_format() {
    local formatter
    formatter=$(command -v clang-format-14 || command -v clang-format)
    case $("${formatter:-false}" --version) in
    *"version 14."*)
        check "layout is clang-format's" sh -c \
            'git ls-files "*.c" "*.h" | xargs "$1" --dry-run -Werror' - "$formatter" ;;
    "") skip "layout: clang-format is not installed (sudo apt install clang-format)" ;;
    *) skip "layout: it is clang-format 14's; here is $("$formatter" --version)" ;;
    esac
    check "no path of one machine in tracked files" sh -c \
        '! git grep -nE "(^|[^A-Za-z0-9_./-])/(work|root|home/[a-z]+)/" -- . ":!tests/run.sh"'
    if command -v shellcheck >/dev/null; then
        check "shell scripts are clean" sh -c 'git ls-files "*.sh" .ci/run | xargs shellcheck -s bash -S error'
    fi
}

suite_build() {
    check "everything builds under -Werror" make -s B="$scratch/werror" WERROR=-Werror \
        all-built
}

suite_starters() {
    check "labs/ is what solutions/ makes" grader/verbs/starters.sh check
    mkdir "$scratch/starters"
    for solution in solutions/*/*.c; do
        mkdir -p "$scratch/starters/$(basename "$(dirname "$solution")")"
        grader/verbs/starters.sh print "$solution" >"$scratch/starters/${solution#solutions/}"
    done
    $grader grade FROM="$scratch/starters" >"$scratch/out" 2>&1
    local status=$?
    [ $status = 1 ] && pass "the starters are graded without an accident" ||
        fail "grading the starters ended with $status"
    [ "$(grep -c '^  ok ' "$scratch/out")" = 0 ] && pass "no check passes on the starters" ||
        { fail "checks pass on the starters:" && grep '^  ok ' "$scratch/out"; }
    grep -q '^Total: 0 of' "$scratch/out" && pass "the starters have 0 points" ||
        fail "the starters have points"
    check "the starters compile without a warning" sh -c "! grep -q 'compiler warns' '$scratch/out'"
}

# unit NAME SOURCES... - builds and runs one cmocka program.
unit() {
    local name=$1
    shift
    if ! gcc -std=gnu11 -g -Wall -Wextra -Icommon/include -Igrader \
        $(pkg-config --cflags libtraceevent) -fsanitize=address,undefined \
        -fno-sanitize-recover=all "$@" -o "$scratch/$name" -lcmocka -lcjson -lcrypto \
        $(pkg-config --libs libtraceevent) >"$scratch/out" 2>&1; then
        fail "$name does not build" && cat "$scratch/out"
        return
    fi
    "$scratch/$name" >"$scratch/out" 2>&1
    local status=$?
    local ok left
    ok=$(grep -c '^\[       OK \]' "$scratch/out")
    left=$(grep -c '^\[  SKIPPED \] [a-z]' "$scratch/out")
    passed=$((passed + ok)) skipped=$((skipped + left))
    echo "  $ok tests of $name passed, $left skipped"
    [ $status = 0 ] || { fail "$name ended with $status" && grep -v '\[ *OK\|RUN' "$scratch/out"; }
}

suite_unit() {
    # (not the parts that are programs of their own)
    unit core_test tests/core_test.c common/vmm/*.c \
        $(ls solutions/*/*.c | grep -v -e '\.svm\.c' -e '\.vmx\.c')
    unit grader_test tests/grader_test.c \
        $(ls grader/verbs/*.c grader/submission/*.c grader/grading/*.c grader/report/*.c \
            grader/prepare/*.c grader/lib/*.c) \
        $(ls grader/judge/*.c | grep -v -e /main.c -e /check.c -e /targets.c) \
        $(ls grader/machine/*.c | grep -v -e /agent.c -e /machine_init.c) \
        grader/silicon/confined.c common/vmm/exit_names.c
    unit silicon_test -Wa,-Ibuild/silicon tests/silicon_test.c grader/silicon/*.c \
        grader/judge/text.c common/vmm/vmx_names.c common/vmm/guest_tables.c
}

suite_stress() {
    check "the stress run of lab 07 builds for ThreadSanitizer" gcc -std=gnu11 -O1 -g \
        -fsanitize=thread -Icommon/include -Igrader tests/posted_stress.c common/vmm/atomic_step.c \
        solutions/07-irt-pid/*.c -o "$scratch/stress"
    if "$scratch/stress" 2>&1 | grep -q 'unexpected memory mapping'; then
        skip "ThreadSanitizer does not work with this kernel's address layout"
    else
        check "threads that post to a vCPU have no data race and lose nothing" "$scratch/stress"
    fi
}

suite_grade() {
    local seed
    for seed in $(seq 1 20); do
        if $grader grade FROM=solutions SEED=$((seed * 7919)) >"$scratch/out" 2>&1; then
            pass "solutions have all points, SEED=$((seed * 7919))"
        else
            fail "solutions, SEED=$((seed * 7919))" &&
                grep -aA8 -E '^  (FAIL|SKIP|ERROR)' "$scratch/out"
        fi
    done
    check "solutions pass the model checks under ASan and UBSan" sh -c \
        "$grader grade FROM=solutions TARGET=model SANITIZE=1 >'$scratch/san'; \
         ! grep -aA8 -E '^  (FAIL|ERROR)' '$scratch/san' && grep -q '^  ok' '$scratch/san'"
}

suite_mutants() {
    $grader mutants NAMED=1 >"$scratch/mutants" 2>&1
    grep -a '^FAIL' "$scratch/mutants"
    tail -n 1 "$scratch/mutants"
    counted "$scratch/mutants" mutants
}

suite_attacks() {
    $grader attacks >"$scratch/attacks" 2>&1
    grep -a '^FAIL' "$scratch/attacks"
    tail -n 1 "$scratch/attacks"
    counted "$scratch/attacks" attacks
}

# bats_file FILE - runs it, and counts.
bats_file() {
    if ! command -v bats >/dev/null; then
        skip "$1: bats is not installed (sudo apt install bats)"
        return
    fi
    bats --tap "$1" | tee "$scratch/bats" | grep --line-buffered -v '^1\.\.'
    skipped=$((skipped + $(grep -c '^ok .*# skip' "$scratch/bats")))
    passed=$((passed + $(grep '^ok ' "$scratch/bats" | grep -vc '# skip')))
    failed=$((failed + $(grep -c '^not ok ' "$scratch/bats")))
    local planned
    planned=$(sed -n 's/^1\.\.//p' "$scratch/bats")
    [ "$(grep -cE '^(not )?ok ' "$scratch/bats")" = "${planned:-none}" ] ||
        fail "bats planned ${planned:-no} tests of $1 and did not run them all"
}

suite_usage() { bats_file tests/usage.bats; }

suite_kernel() {
    if ! command -v apt-get >/dev/null; then
        skip "kernel: no apt here"
        return
    fi
    bats_file tests/kernel.bats
}

suite_arm64() {
    tests/arm64.sh >"$scratch/arm64" 2>&1
    grep -a -v '^arm64: ' "$scratch/arm64"
    counted "$scratch/arm64" arm64
}

# What the suite slides cannot do without, and how to get it; nothing if it is all there.
slides_missing() {
    command -v node >/dev/null && command -v npm >/dev/null ||
        { echo "node or npm is not installed (sudo apt install nodejs npm)"; return; }
    make -s slides/node_modules/.package-lock.json >"$scratch/npm" 2>&1 ||
        { echo "npm ci did not work here (in slides/; is there a registry?)"; return; }
    node -e 'import("./slides/browser.mjs").then((b) => process.exit(b.browserFind() ? 0 : 1))' ||
        echo "no Chromium is installed (sudo apt install chromium, or set CHROME_PATH)"
}

# slides_refuses WHAT DECK - the build fails on this deck, and says so with the word WHAT.
slides_refuses() {
    local copy=$scratch/slides-copy
    rm -rf "$copy" && mkdir "$copy" && cp -r slides/*.mjs slides/data slides/theme "$copy" &&
        ln -s "$PWD/slides/node_modules" "$copy/node_modules" && mkdir "$copy/decks" "$copy/figures" &&
        printf '# A deck\n\n%s\n' "$2" >"$copy/decks/00-a.md"
    ! node "$copy/build.mjs" --out "$scratch/slides-none" >"$scratch/out" 2>&1 &&
        grep -q "$1" "$scratch/out"
}

suite_pages() {
    local missing
    missing=$(slides_missing)
    if [ -n "$missing" ]; then skip "pages: $missing"; return; fi
    check "the reference's runs are recorded" $grader grade FROM=solutions
    node tests/pages/pages.mjs >"$scratch/pages.log" 2>&1
    grep -v -e '^pages: ' -e '^  ok' "$scratch/pages.log"
    counted "$scratch/pages.log" pages
}

suite_slides() {
    local missing
    missing=$(slides_missing)
    if [ -n "$missing" ]; then skip "slides: $missing"; return; fi
    check "all decks build" node slides/build.mjs --out "$scratch/slides"
    check "an unknown placeholder stops the build" slides_refuses "unknown placeholder" '{{run:no-such}}'
    check "a figure that is not there stops the build" slides_refuses "no figure" '![x](no-such.svg)'
    check "without a Chromium there is HTML, and word of it" sh -c \
        'CHROME_PATH=/none node slides/build.mjs --lab 1 --out "$1" | grep -q "no Chromium" &&
         test -s "$1/01-kvm-open.html" && test ! -e "$1/01-kvm-open.pdf"' - "$scratch/slides-html"
    check "LAB=99 has no deck" sh -c '! node slides/build.mjs --lab 99 --out "$1"' - "$scratch/slides-none"
    node tests/slides/slides.mjs "$scratch/slides" >"$scratch/slides.log" 2>&1
    grep -v '^slides: ' "$scratch/slides.log"
    counted "$scratch/slides.log" slides
}

for suite in $suites; do
    if ! declare -F "suite_$suite" >/dev/null; then
        echo "tests: there is no SUITE=$suite; there are:" \
            "$(declare -F | sed -n 's/.*suite_//p' | tr '\n' ' ')" >&2
        exit 2
    fi
    start=$SECONDS
    echo "== $suite"
    "suite_$suite"
    echo "   ($((SECONDS - start)) s)"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
