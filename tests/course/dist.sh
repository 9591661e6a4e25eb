# dist.sh - part of run.sh: what a student gets. (Sourced: check, pass, fail, $scratch.)

# The lines of the reference that a student has to write: those of its holes that say something,
# and are no piece of what is shown anyway (contracts, handouts, our own code, hints).
dist_holes() { # LAB...
    local lab line
    cat common/*/* labs/*/README.md labs/*/*.c labs/*/guests/* >"$scratch/shown" 2>/dev/null
    for lab in "$@"; do
        "build/checks/$lab" --list | sed 's/\\"/"/g' >>"$scratch/shown"
        awk '/^[ \t]*\/\/@begin/ { hole = 1; next } /^[ \t]*\/\/@end/ { hole = 0; next }
             hole && !/^[ \t]*\/\/@/ { sub(/^[ \t]+/, ""); if (length($0) >= 30) print }' solutions/"$lab"/*.c
    done | sort -u | while IFS= read -r line; do
        grep -qF -e "$line" "$scratch/shown" || printf '%s\n' "$line"
    done
}

# dist_leaks FOLDER - such lines in any of its files, also in the strings of binaries.
dist_leaks() {
    find "$1" -type f | while read -r file; do
        if grep -qI . "$file"; then cat "$file"; else strings -n 20 "$file"; fi
    done | grep -Ff "$scratch/holes"
}

dist_open() { # NAME
    mkdir -p "$scratch/dist" && tar -C "$scratch/dist" -xf "build/dist/$1.tar.gz" &&
        mkdir "$scratch/dist/$1/build" && cp -a build/kernel "$scratch/dist/$1/build/"
}

suite_dist() {
    local sums
    check "dist is made" make -s dist NAME=tests-all
    sums=$(cd build/dist && sha256sum tests-all.*)
    check "and made again" make -s dist NAME=tests-all
    [ "$sums" = "$(cd build/dist && sha256sum tests-all.*)" ] && pass "byte for byte the same" ||
        fail "two archives of the same kit differ"
    check "it opens" dist_open tests-all
    dist_holes $(basename -a solutions/*/) >"$scratch/holes"
    [ "$(wc -l <"$scratch/holes")" -gt 500 ] && pass "lines to look for: $(wc -l <"$scratch/holes")" ||
        fail "hardly any lines to look for"
    dist_leaks "$scratch/dist/tests-all" >"$scratch/leaks"
    check "no line of the reference's holes is in it" sh -c "sort -u '$scratch/leaks' && ! [ -s '$scratch/leaks' ]"
    mkdir "$scratch/leaky" && cp solutions/01-kvm-open/kvm_open.c "$scratch/leaky/"
    [ -n "$(dist_leaks "$scratch/leaky")" ] && pass "a solution would be found" ||
        fail "the search finds nothing"
    check "no debug information is in it" sh -c \
        "for o in \$(find '$scratch/dist/tests-all/objects' -type f); do ! readelf -S \$o 2>/dev/null | grep -q '\.debug_info' || exit 1; done"
    check "solutions, mutants, attacks and tests are not" sh -c \
        "! find '$scratch/dist/tests-all' | grep -E '/(solutions|mutants|attacks|tests|slides)(/|$)'"
    (
        cd "$scratch/dist/tests-all" || exit 1
        make -s grade >"$scratch/starters.out" 2>&1
        for lab in labs/*/; do cp "$OLDPWD/solutions/$(basename "$lab")"/*.c "$lab"; done
        make -s grade >"$scratch/reference.out" 2>&1
        yes | make -s reset LAB=1 >"$scratch/reset.out" 2>&1
        cmp labs/01-kvm-open/kvm_open.c starters/01-kvm-open/kvm_open.c >>"$scratch/reset.out" 2>&1
        echo $? >"$scratch/reset.status"
        make help >"$scratch/help.out" 2>&1
    )
    check "the starters have 0 points" grep -q "Total: 0 of 100" "$scratch/starters.out"
    check "the reference has all, laid into it" grep -q "Total: 100 of 100" "$scratch/reference.out"
    check "reset brings the starter back" grep -qx 0 "$scratch/reset.status"
    check "help names only what is there" sh -c \
        "grep -q 'make grade' '$scratch/help.out' && ! grep -qE 'make (class|mutants|test|slides|dist)' '$scratch/help.out'"
    dist_some
}

# Only some labs, without hints.
dist_some() {
    local dir="$scratch/dist/tests-some"
    check "dist of two labs without hints is made" make -s dist NAME=tests-some LABS=3,5 HINTS=no SOURCES=yes
    check "it opens, too" dist_open tests-some
    check "no hint is in it" sh -c "! grep -raF 'Draw the ranges. Which is' '$dir' && ! grep -raqF '.hints =' '$dir/grader/checks'"
    check "the checks' sources are" test -s "$dir/grader/checks/03-exit-loop.c"
    (
        cd "$dir" || exit 1
        make -s hint LAB=3 >"$scratch/hint.out" 2>&1
        for lab in labs/*/; do cp "$OLDPWD/solutions/$(basename "$lab")"/*.c "$lab"; done
        make -s grade >"$scratch/some.out" 2>&1
    )
    check "the reference has all points of the two" grep -q "Total: 24 of 24 points in 2 labs" "$scratch/some.out"
    check "hint says that there are none" grep -q "without hints" "$scratch/hint.out"
    $grader dist NAME=../x >"$scratch/out" 2>&1
    [ $? = 2 ] && pass "a name that is a path is refused" || fail "a name that is a path"
}
