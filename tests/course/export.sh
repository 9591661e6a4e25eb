# export.sh - part of run.sh: results in the formats of others. (Sourced: check, pass, fail, skip.)

# Gradescope's own words on its format: the fields, their types and the words that may stand in them.
gradescope_right() { # FILE POINTS OF
    node -e '
        const [file, points, of] = process.argv.slice(1);
        const r = JSON.parse(require("fs").readFileSync(file));
        const see = ["hidden", "after_due_date", "after_published", "visible"];
        const text = ["text", "html", "simple_format", "md", "ansi"];
        const known = ["score", "execution_time", "output", "output_format", "test_output_format",
            "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"];
        const fields = ["score", "max_score", "status", "name", "name_format", "number", "output",
            "output_format", "tags", "visibility", "extra_data"];
        const bad = [];
        const want = (is, what) => is || bad.push(what);
        for (const k in r) want(known.includes(k), "unknown field " + k);
        want(see.includes(r.visibility) && see.includes(r.stdout_visibility), "visibility");
        want(Array.isArray(r.tests) && r.tests.length > 0, "tests");
        let sum = 0, max = 0;
        for (const t of r.tests) {
            for (const k in t) want(fields.includes(k), "unknown field of a test " + k);
            want(typeof t.score === "number" && typeof t.max_score === "number" && t.score <= t.max_score, t.name);
            want(["passed", "failed"].includes(t.status) && (t.status === "passed") === (t.score === t.max_score), t.name);
            want(typeof t.name === "string" && typeof t.output === "string", t.name);
            want(text.includes(t.output_format) && text.includes(t.name_format) && see.includes(t.visibility), t.name);
            sum += t.score; max += t.max_score;
        }
        want(Math.abs(sum - points) < 0.01 && Math.abs(max - of) < 0.01, `points ${sum} of ${max}`);
        if (bad.length) { console.log(bad.slice(0, 5)); process.exit(1); }' "$@"
}

suite_export() {
    local from="$scratch/export" x="$scratch/exported"
    mkdir -p "$from" "$x"
    cp -r solutions/01-kvm-open solutions/02-memory-slots "$from/"
    patch -s -p1 -d "$from/02-memory-slots" <grader/mutants/02-memory-slots/backing-of-the-first-slot.patch
    echo 'int odd = "<&]]>";' >>"$from/01-kvm-open/kvm_open.c"
    $grader grade FROM="$from" LAB=1 >/dev/null 2>&1
    $grader grade FROM="$from" LAB=2 >"$x/graded" 2>&1
    local got
    got=$(sed -n 's/^  \([0-9.]*\) of .* points:.*/\1/p' "$x/graded")
    for format in csv junit gradescope markdown github autolab; do
        check "FORMAT=$format" sh -c "$grader export FORMAT=$format FROM='$from' >'$x/$format'"
    done
    if command -v xmllint >/dev/null; then
        check "JUnit XML is as Jenkins wants it" xmllint --noout --dtdvalid tests/course/junit.dtd "$x/junit"
    else
        skip "JUnit XML: xmllint is not installed (sudo apt install libxml2-utils)"
    fi
    if command -v node >/dev/null; then
        check "results.json is as Gradescope describes it" gradescope_right "$x/gradescope" "$(awk "BEGIN { print 0 + $got + $(awk -F, 'NR == 2 { print $5 }' "$x/csv") }")" 18
        check "Autolab's line is JSON with numbers" node -e '
            const s = JSON.parse(require("fs").readFileSync(process.argv[1])).scores;
            if (typeof s["01-kvm-open"] !== "number" || s["02-memory-slots"] != process.argv[2]) process.exit(1)' "$x/autolab" "$got"
    else
        skip "gradescope, autolab: node is not installed"
    fi
    check "Autolab's is one line" sh -c "[ \$(wc -l <'$x/autolab') = 1 ]"
    check "annotations are GitHub's commands, a line each" sh -c "! grep -vE '^::(error|warning|notice) file=labs/[^,]*,title=[^:]*::' '$x/github'"
    check "lines of a CSV file end as RFC 4180 says" sh -c "! grep -v \"\$(printf '\r')\$\" '$x/csv'"
    check "HIDE=seen hides what was seen" sh -c "$grader export FORMAT=gradescope HIDE=seen FROM='$from' | grep -v '\"output\":.*compile' | grep -c 'seen: ' | grep -qx 0"
    $grader export FORMAT=pigeon FROM="$from" >"$x/out" 2>&1
    [ $? = 2 ] && grep -q "FORMAT=junit" "$x/out" && pass "an unknown format is status 2" || fail "an unknown format"
    $grader export FORMAT=csv FROM=/nowhere >"$x/out" 2>&1
    [ $? = 2 ] && grep -q "not been graded" "$x/out" && pass "what was not graded is status 2" || fail "what was not graded"
    export_gradescope
}

# Gradescope's scripts, in a folder in place of /autograder.
export_gradescope() {
    local to="$scratch/autograder"
    make -s dist NAME=tests-autograder LABS=1-2 >/dev/null 2>&1
    mkdir -p "$to/source" "$to/submission/some where"
    cp build/dist/tests-autograder.tar.gz "$to/source/kit.tar.gz"
    cp solutions/01-kvm-open/kvm_open.c "$to/submission/some where/"
    mkdir -p "$to/kit/build" && cp -a build/kernel "$to/kit/build/"
    check "setup.sh makes the kit ready" env AUTOGRADER="$to" PATH="$(export_quiet_apt):$PATH" grader/export/gradescope/setup.sh
    check "run_autograder grades" env AUTOGRADER="$to" LABS="1 2" grader/export/gradescope/run_autograder
    if command -v node >/dev/null; then
        check "8 of 18 points for one lab handed in" gradescope_right "$to/results/results.json" 8 18
    fi
}

# An apt-get that does not ask the network: packages are here already.
export_quiet_apt() {
    mkdir -p "$scratch/quiet"
    printf '#!/bin/sh\nexit 0\n' >"$scratch/quiet/apt-get"
    chmod 755 "$scratch/quiet/apt-get" "$scratch"
    echo "$scratch/quiet"
}
