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
#   load      the same beside 16 busy processes: points are not lost to a busy computer
#   mutants   wrong solutions lose exactly what they name
#   attacks   hostile submissions gain nothing
#   cage      where no namespaces can be made (CAGE_LONG=1: attacks and mutants there too)
#   orphans   graders are killed at random moments (KILLS=20 of them), beside busy processes:
#             nobody is left, nothing of the caller's is held
#   boot      make boot: a prompt, other kernels (memtest86+, a bzImage, multiboot)
#   usage     bad usage, interruptions, damage, verbs; odd folders and file systems (bats)
#   dist      what a student gets: no solution in it, and it works
#   export    results in the formats of others; Gradescope's scripts
#   similarity  copies are found, independent work is not
#   course    a class is handed in, killed on the way, and graded as expected
#   slurm     the same on a cluster of one node that the test starts
#   parallel  the same with GNU parallel
#   kernel    which kernel the machine gets, with made-up packages of each distribution (bats)
#   arm64     grader and checks of an arm64 host, under qemu-aarch64 (tests/arm64.sh; only when
#             it is asked for: half an hour)
#   course200 the same with 200 students over all labs (not in the default list)
#   slides    every slide in a headless Chromium: room, size, contrast, links, notes
#   pages     what `make trace` writes, in a headless Chromium
#   book      the book's links, and its pages in a headless Chromium
set -u
# (one a line: each change touches its own)
suites=${*:-
format
build
starters
unit
stress
grade
load
mutants
attacks
cage
orphans
boot
usage
kernel
dist
export
similarity
course
slurm
parallel
slides
pages
book
}
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
    case $line in *" skipped") skipped=$((skipped + 1)) ;; esac
}

# shellcheck source=tests/course/course.sh
. tests/course/course.sh
. tests/course/slurm.sh
. tests/course/dist.sh
. tests/course/export.sh
. tests/course/similarity.sh
. tests/boot/boot.sh

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

# What clangd finds wrong in files as a student has them open, with the kit's own settings for it.
clangd_faults() {
    local file
    for file in labs/*/*.c labs/*/guests/*.c common/*/*.[ch] grader/subjects/*.c; do
        clangd --check="$file" --log=error 2>&1 | grep -a '\] Line [0-9]*:' | sed "s|^|$file: |"
    done
    return 0
}

suite_build() {
    check "everything builds under -Werror" make -s B="$scratch/werror" WERROR=-Werror \
        all-built
    if command -v clangd >/dev/null; then
        check "an editor with clangd shows no red line" sh -c '[ -z "$1" ] || { echo "$1"; false; }' - \
            "$(clangd_faults)"
    else
        skip "clangd is not installed (sudo apt install clangd)"
    fi
}

suite_starters() {
    check "labs/ is what solutions/ makes" sh grader/verbs/starters.sh check
    mkdir "$scratch/starters"
    for solution in solutions/*/*.c; do
        mkdir -p "$scratch/starters/$(basename "$(dirname "$solution")")"
        sh grader/verbs/starters.sh print "$solution" >"$scratch/starters/${solution#solutions/}"
    done
    $grader grade FROM="$scratch/starters" >"$scratch/out" 2>&1
    local status=$?
    [ $status = 1 ] && pass "the starters are graded without an accident" ||
        fail "grading the starters ended with $status"
    [ "$(grep -c '^  ok ' "$scratch/out")" = 0 ] && pass "no check passes on the starters" ||
        { fail "checks pass on the starters:" && grep '^  ok ' "$scratch/out"; }
    grep -q '^Total: 0 of' "$scratch/out" && pass "the starters have 0 points" ||
        fail "the starters have points"
    $grader grade FROM="$scratch/starters" LAB=11 >"$scratch/out11" 2>&1
    grep -q '^  0 of 20 points' "$scratch/out11" && pass "the capstone's starter has 0 points" ||
        { fail "the capstone's starter:" && tail -n 3 "$scratch/out11"; }
    check "the starters compile without a warning" sh -c "! grep -q 'compiler warns' '$scratch/out'"
}

# unit_gcc ARGUMENTS... - compiles for a test: under ASan and UBSan.
unit_gcc() {
    # shellcheck disable=SC2046 # flags are words
    gcc -std=gnu11 -g -Wall -Wextra -Icommon/include -Igrader -Wa,-Ibuild/silicon \
        $(pkg-config --cflags libtraceevent) -fsanitize=address,undefined \
        -fno-sanitize-recover=all "$@"
}
export -f unit_gcc

# unit_build NAME TEST SOURCES... - the sources become an archive: the linker takes from it what
# the test needs, and so no program's main().
unit_build() {
    local name=$1 test=$2
    shift 2
    mkdir "$scratch/$name.objects" &&
        printf '%s\n' "$@" | xargs -P "$(nproc)" -I {} bash -c \
            'unit_gcc -c "$1" -o "$2/$(echo "$1" | tr / -).o"' - {} "$scratch/$name.objects" &&
        ar rcs "$scratch/$name.a" "$scratch/$name.objects"/*.o &&
        unit_gcc "$test" "$scratch/$name.a" -o "$scratch/$name" -lcmocka -lcjson -lcrypto -larchive \
            $(pkg-config --libs libtraceevent)
}

# unit NAME TEST SOURCES... - builds and runs one cmocka program.
unit() {
    local name=$1
    if ! unit_build "$@" >"$scratch/out" 2>&1; then
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
    local rooms
    rooms=$(ls grader/{verbs,intake,course,similarity,submission,grading,report,report/exports,prepare,lib,judge,machine}/*.c)
    # shellcheck disable=SC2086 # file names of ours
    unit grader_test tests/grader_test.c common/vmm/*.c grader/silicon/*.c $rooms
    unit silicon_test tests/silicon_test.c common/vmm/*.c grader/silicon/*.c grader/judge/*.c \
        grader/lib/{cage,child,command,files}.c grader/machine/own_time.c
    unit intake_test tests/intake_test.c common/vmm/*.c grader/silicon/*.c $rooms
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
    for seed in 1 2 3; do
        check "the capstone's reference has all points, SEED=$seed" \
            $grader grade FROM=solutions LAB=11 SEED=$seed
    done
    check "the capstone's reference passes its model checks under ASan and UBSan" sh -c \
        "! $grader grade FROM=solutions LAB=11 TARGET=model SANITIZE=1 | grep -aE '^  (FAIL|ERROR)'"
    check "solutions pass the model checks under ASan and UBSan" sh -c \
        "$grader grade FROM=solutions TARGET=model SANITIZE=1 >'$scratch/san'; \
         ! grep -aA8 -E '^  (FAIL|ERROR)' '$scratch/san' && grep -q '^  ok' '$scratch/san'"
}

# busy_begin N - N processes that do nothing but use a processor; busy_end ends them.
busy_begin() {
    busy=
    for _ in $(seq "$1"); do
        sh -c 'while kill -0 "$1" 2>/dev/null; do for i in 1 2 3 4 5 6 7 8 9; do :; done; done' \
            - $$ &
        busy="$busy $!"
    done
}
busy_end() {
    # shellcheck disable=SC2086
    kill $busy && wait $busy 2>/dev/null
}

# An ERROR (with its reason) costs nobody a point; a FAIL here does.
suite_load() {
    local n
    busy_begin 16
    for n in $(seq 1 "${LOAD_TIMES:-3}"); do
        $grader grade FROM=solutions SEED=$((n * 104729)) >"$scratch/out" 2>&1
        if grep -aq '^  FAIL' "$scratch/out" || ! grep -aq '^Total' "$scratch/out"; then
            fail "solutions beside 16 busy processes, SEED=$((n * 104729))" &&
                grep -aA8 -E '^  (FAIL|ERROR)' "$scratch/out"
        else
            pass "solutions lose no point beside 16 busy processes, SEED=$((n * 104729))"
            grep -aA2 '^  ERROR' "$scratch/out"
        fi
    done
    busy_end
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

suite_cage() {
    tests/cage.sh >"$scratch/cage.log" 2>&1
    grep -v -e '^cage: [0-9]' -e '^  ok' "$scratch/cage.log"
    counted "$scratch/cage.log" cage
}

# The second half with a bwrap that leaves a child behind on purpose: one that does not ask to die
# with its parent, as bwrap's own may not have yet.
suite_orphans() {
    local kills=${KILLS:-20} seed=$RANDOM busy=() i
    check "the test of orphans builds" gcc -std=gnu11 -O2 -Wall -Wextra tests/orphans.c -o "$scratch/orphans"
    mkdir -p "$scratch/bin"
    printf '#!/bin/sh\n/bin/sleep 1000 &\nexec %s "$@"\n' "$(command -v bwrap)" >"$scratch/bin/bwrap"
    chmod 755 "$scratch" "$scratch/bin" "$scratch/bin/bwrap"
    for i in 1 2 3 4; do
        (while :; do :; done) &
        busy+=($!)
    done
    "$scratch/orphans" $((kills / 2)) "$seed" $grader grade FROM=solutions >"$scratch/orphans.log"
    PATH="$scratch/bin:$PATH" "$scratch/orphans" $(((kills + 1) / 2)) "$seed" \
        $grader grade FROM=solutions >"$scratch/orphans.log2"
    kill "${busy[@]}" && wait "${busy[@]}" 2>/dev/null
    for i in "$scratch/orphans.log" "$scratch/orphans.log2"; do
        grep -v '^orphans: ' "$i"
        counted "$i" orphans
    done
}

# bats_file FILE - runs it, and counts.
bats_file() {
    if ! command -v bats >/dev/null; then
        skip "$1: bats is not installed (sudo apt install bats)"
        return
    fi
    bats --tap "$@" | tee "$scratch/bats" | grep --line-buffered -v '^1\.\.'
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
    check "and its boot of Linux" $grader grade FROM=solutions LAB=11 CHECK=linux_answers
    node tests/pages/pages.mjs >"$scratch/pages.log" 2>&1
    grep -v -e '^pages: ' -e '^  ok' "$scratch/pages.log"
    counted "$scratch/pages.log" pages
}

suite_book() {
    local missing
    missing=$(slides_missing)
    if [ -n "$missing" ]; then skip "book: $missing"; return; fi
    check "the book builds" make -s book
    node tests/book/book.mjs >"$scratch/book.log" 2>&1
    grep -v '^book: ' "$scratch/book.log"
    counted "$scratch/book.log" book
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
