# kit.bash - what the bats suites share: they work on a copy of the kit, so that nothing of the
# real one is touched.

setup_file() {
    export KIT="$BATS_FILE_TMPDIR/kit"
    mkdir "$KIT"
    cp -a --sparse=always build common grader labs solutions Makefile tests "$KIT/"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/file "$BATS_FILE_TMPDIR" 2>/dev/null || true
    rm -rf "$KIT"/build/tmp "$KIT"/build/results* "$KIT"/build/hints.json "$KIT"/build/traces
}

setup() {
    cd "$KIT"
    GRADER=build/bin/grader
    SUBMISSION="$BATS_TEST_TMPDIR/submission"
}

# A submission of lab 01 that is the reference; the test then damages it.
submission_make() {
    mkdir -p "$SUBMISSION"
    cp -r solutions/* "$SUBMISSION/"
}

grade() { run -"${1}" $GRADER grade LAB=1 FROM="$SUBMISSION"; }

has() { [[ "$output" == *"$1"* ]] || { echo "expected: $1"; echo "$output"; return 1; }; }
has_not() { [[ "$output" != *"$1"* ]] || { echo "not expected: $1"; echo "$output"; return 1; }; }
