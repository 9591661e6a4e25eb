# similarity.sh - part of run.sh: copies are found, independent work is not. (Sourced.)
#
# independent/ has two solutions of part 01 that were written apart from the reference and from each
# other; each has all points. Planted are copies of them as students would disguise them.

similarity_hand_in() { mkdir -p "$scratch/alike/$1/01-kvm-open" && cat >"$scratch/alike/$1/01-kvm-open/kvm_open.c"; }

suite_similarity() {
    local table=tests/course/independent/table/kvm_open.c to=build/similarity/tests-alike
    local ladder=tests/course/independent/ladder/kvm_open.c reference=solutions/01-kvm-open/kvm_open.c
    if ! command -v sim_c >/dev/null; then
        skip "similarity: sim_c is not installed (sudo apt install similarity-tester)"
        return
    fi
    similarity_hand_in table <$table
    similarity_hand_in ladder <$ladder
    for one in table ladder; do
        check "$one is an independent solution" $grader grade FROM="$scratch/alike/$one" LAB=1
    done
    sed -e 's/\bmeaning\b/entry/g; s/\banywhere\b/usual/g; s/\bsomewhere\b/special/g; s/\breport\b/tell/g' \
        -e 's/\bgot\b/value/g; s/\bresult\b/rc/g; s/\bfresh\b/v/g; s/\bcause\b/e/g; s/\bshared\b/area/g' \
        $table | similarity_hand_in renamed
    sed -e 's|^    |        |; s|/\* .*|/* my own words */|' $ladder | similarity_hand_in commented
    # (its functions in reverse order)
    sed 's|^[ ]*//@.*||' $reference |
        awk '/^[a-z].*\(/ { n++ } { b[n] = b[n] $0 "\n" } END { printf "%s", b[0]; for (i = n; i > 0; i--) printf "%s", b[i] }' |
        similarity_hand_in reordered
    similarity_hand_in starter <labs/01-kvm-open/kvm_open.c
    check "similarity runs" $grader similarity SUBMISSIONS="$scratch/alike" LAB=1 NAME=tests-alike
    $grader similarity SUBMISSIONS="$scratch/alike" LAB=1 NAME=tests-alike >"$scratch/alike.out"
    similarity_found "renamed  table" && similarity_found "commented  ladder" &&
        similarity_found "reordered  the reference"
    [ "$(grep -c ' %  ' "$scratch/alike.out")" = 3 ] && pass "and nobody else is above the line" ||
        { fail "others are above the line" && cat "$scratch/alike.out"; }
    check "groups are named" grep -q "Group 3" $to/index.html
    check "both texts are shown, runs in colour" sh -c \
        "grep -q 'class=\"r0\"' $to/01-kvm-open-0.html && grep -c '<h2>' $to/01-kvm-open-0.html | grep -qx 2"
    check "it says what it is" grep -q "not accusations" $to/index.html
    check "other tools get starter and students" sh -c \
        "cmp labs/01-kvm-open/kvm_open.c $to/other-tools/01-kvm-open/starter/kvm_open.c &&
         cmp $table $to/other-tools/01-kvm-open/students/table/kvm_open.c"
    mkdir -p "$scratch/this-year" && cp -r "$scratch/alike/renamed" "$scratch/this-year/"
    check "an earlier year is found, too" sh -c \
        "$grader similarity SUBMISSIONS='$scratch/this-year' CORPUS='$scratch/alike' LAB=1 NAME=tests-corpus | grep -q 'renamed  .*/table'"
    $grader similarity SUBMISSIONS="$scratch/this-year" CORPUS=/nowhere LAB=1 NAME=tests-corpus >"$scratch/out" 2>&1
    [ $? = 2 ] && grep -q "CORPUS=/nowhere" "$scratch/out" && pass "a corpus that is not there is status 2" ||
        fail "a corpus that is not there"
}

similarity_found() {
    if grep -q "%  $1\$" "$scratch/alike.out"; then pass "a copy is found: $1"; else
        fail "a copy is not found: $1" && cat "$scratch/alike.out"
    fi
}
