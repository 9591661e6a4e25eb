# course.sh - part of run.sh: a class is handed in, graded, killed on the way, and compared with
# what each of its wrong solutions is known to lose. (Sourced: check, pass, fail, skip, $scratch.)

# What an earlier test left of a class: also its verdicts, should the seed be the same.
course_forget() { # NAME
    cut -d' ' -f3 "build/class/$1/graded.log" 2>/dev/null |
        while read -r key; do rm -f "build/class/verdicts/$key.json"; done
    rm -rf "build/class/$1"
}

# A seed of its own for each class, of many digits, so that it is nowhere by chance; said, and the
# same again with COURSE_SEED=.
course_seed() { # NAME
    [ -e "$scratch/$1/seed" ] || echo "${COURSE_SEED:-$(shuf -n 1 -i 1000000000-9999999999)}" >"$scratch/$1/seed"
    cat "$scratch/$1/seed"
}

course_grade() { # NAME, settings...
    local name=$1
    shift
    $grader class NAME="$name" SUBMISSIONS="$scratch/$name/submissions" \
        ROSTER="$scratch/$name/roster.csv" DEADLINE=2027-01-31T23:59Z SEED="$(course_seed "$name")" "$@" \
        >"$scratch/$name/out" 2>&1
}

# The columns id, total, late, status of a grade book; LABS is how many labs count.
course_points() { # NAME LABS
    tail -n +2 "build/class/$1/grades.csv" | awk -F, -v n="$2" \
        '{ print $1 "|" $(5 + n) "|" $(7 + n) "|" $(8 + n) }' | sort
}

# Everything is graded as expected, and nothing twice.
course_compare() { # NAME LABS
    if diff <(sort "$scratch/$1/expected") <(course_points "$1" "$2") >"$scratch/out"; then
        pass "$1: every student has the expected points ($(wc -l <"$scratch/$1/expected"))"
    else
        fail "$1: points differ (< expected, > given; COURSE_SEED=$(course_seed "$1"))" && cat "$scratch/out"
    fi
    check "$1: no lab of a submission was graded twice" sh -c \
        "cut -d' ' -f3 'build/class/$1/graded.log' | sort | uniq -d | tee /dev/stderr | wc -l | grep -qx 0"
}

# Started and killed after a while; nothing of it may be left.
course_kill() { # NAME SECONDS settings...
    local name=$1 after=$2 pid
    shift 2
    course_grade "$name" "$@" &
    pid=$!
    sleep "$after"
    # (of the function's shell, the grader is the only child)
    pkill -KILL -P "$pid"
    wait "$pid" 2>/dev/null
    for _ in $(seq 50); do
        pgrep -f "UNITS=build/class/$name/" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

suite_course() {
    local before
    course_forget tests-40
    check "a class of 40 is made" tests/course/make_class.sh "$scratch/tests-40" 40 1 3
    printf '[core]\n\tfsmonitor = touch %s\n\tpager = touch %s\n[gpg]\n\tprogram = touch %s\n' \
        "$scratch/ran" "$scratch/ran" "$scratch/ran" >>"$scratch/tests-40/submissions/lab1-octo02/.git/config"
    for after in 2 4 7; do
        check "killed after $after s, nothing of it is left" course_kill tests-40 $after LABS=1-3
    done
    course_grade tests-40 LABS=1-3
    [ $? = 1 ] && pass "some of the class need a person: status 1" || fail "status of the class"
    course_compare tests-40 3
    before=$(cat build/class/tests-40/graded.log)
    course_grade tests-40 LABS=1-3
    [ "$before" = "$(cat build/class/tests-40/graded.log)" ] && pass "nothing changed, nothing is graded" ||
        fail "a second run graded something"
    echo "/* more */" >>"$scratch/tests-40/submissions/plain01/02-memory-slots/memory_slots.c"
    course_grade tests-40 LABS=1-3
    [ "$(wc -l <build/class/tests-40/graded.log)" = $(($(wc -l <<<"$before") + 1)) ] &&
        pass "one lab changed, one lab is graded" || fail "not one lab was graded"
    course_compare tests-40 3
    course_outcome
    course_words
    course_errors
}

course_outcome() {
    local to=build/class/tests-40
    if command -v xmllint >/dev/null; then check "junit.xml is XML" xmllint --noout $to/junit.xml; fi
    check "the seed is on the page, and in no feedback" sh -c \
        "grep -q \"SEED=\$(cat $to/seed)\" $to/class.html && ! grep -rqF \"\$(cat $to/seed)\" $to/feedback"
    check "a name is text in pages, not markup" sh -c \
        "! grep -rqF '<b>odd' $to/class.html $to/feedback --include=*.html && grep -q 'lt;b&gt;odd' $to/class.html"
    check "pages load nothing" sh -c "! grep -rqE '(src|href)=\"?(https?:)?//' $to --include=*.html"
    check "what was handed in is in the feedback" grep -q "labs/01-kvm-open/kvm_open.c.*taken as" \
        $to/feedback/tgz01/feedback.txt
    check "a misspelling is named" grep -q "kvm_opne.c meant" $to/feedback/typo01/feedback.txt
    check "a double is named" grep -q "there twice and not the same" $to/feedback/twice01/feedback.txt
    check "a way out of an archive is named" grep -q "leads out of the archive" \
        $to/feedback/escape01/feedback.txt
    check "and led nowhere" sh -c "! find build -name escaped.c | grep -q ."
    check "a checkout's time is that of its last commit" grep -q '^octo02,.*,2027-01-22T00:00:00' \
        <(TZ=UTC sed 's/+0000//' $to/grades.csv)
    check "its configuration runs nothing here" test ! -e "$scratch/ran"
    check "each result says what made it" grep -q '"bochs"' $to/feedback/plain01/results.json
}

course_words() {
    check "help names the instructor's verbs" sh -c \
        "for v in dist class gather export similarity version; do $grader help | grep -q \"^make \$v\" || exit 1; done"
    local dir="$scratch/tests-40/submissions" list="$scratch/list.csv"
    word() { # STATUS TEXT settings...
        local status=$1 text=$2
        shift 2
        $grader class "$@" >"$scratch/out" 2>&1
        [ $? = "$status" ] && grep -q "$text" "$scratch/out" && pass "refused: $text" ||
            { fail "should say: $text" && cat "$scratch/out"; }
    }
    word 2 "is no folder" SUBMISSIONS=/nowhere
    word 2 "is no time" SUBMISSIONS="$dir" NAME=tests-words DEADLINE=tomorrow
    word 2 "no LAB=77" SUBMISSIONS="$dir" NAME=tests-words LABS=77
    word 2 "JOBS=0 is no number" SUBMISSIONS="$dir" NAME=tests-words JOBS=0
    word 2 "cannot be the name" SUBMISSIONS="$dir" NAME=..
    printf 'name,email\na,b\n' >"$list"
    word 2 'no column "id"' SUBMISSIONS="$dir" NAME=tests-words ROSTER="$list"
    printf 'id,name\nada,Ada\nada,Bob\n' >"$list"
    word 2 "two students have the id ada" SUBMISSIONS="$dir" NAME=tests-words ROSTER="$list"
    mkdir -p "$scratch/nothing"
    word 2 "holds no submission" SUBMISSIONS="$scratch/nothing" NAME=tests-words
}

# Where the compiler's cage cannot be made, nothing is anybody's fault: twice tried, no points, no 0.
course_errors() {
    local bin="$scratch/bin" tool
    mkdir -p "$bin" "$scratch/tests-error/submissions/ada"
    for tool in /usr/bin/* /bin/*; do ln -sf "$tool" "$bin/" 2>/dev/null; done
    rm -f "$bin/prlimit"
    chmod 755 "$scratch" # (programs of this PATH are started as other users, too)
    cp -r solutions/01-kvm-open "$scratch/tests-error/submissions/ada/"
    echo "/* not seen before: $RANDOM$RANDOM$RANDOM */" >>"$scratch/tests-error/submissions/ada/01-kvm-open/kvm_open.c"
    printf 'id\nada\n' >"$scratch/tests-error/roster.csv"
    course_forget tests-error
    PATH=$bin course_grade tests-error LABS=1
    check "what the grader cannot judge has no points, and needs a person" grep -q \
        '^ada,,,,,,8,,needs a person,.*twice' build/class/tests-error/grades.csv
    check "it was tried twice" sh -c "[ \$(wc -l <build/class/tests-error/graded.log) = 2 ]"
    course_grade tests-error LABS=1
    check "and is graded when that is mended" grep -q '^ada,,,,8,8,8,,graded' build/class/tests-error/grades.csv
}

# A class of 200 over all labs: takes a quarter of an hour on two cores, so it is not in the default list.
suite_course200() {
    course_forget tests-200
    check "a class of 200 is made" tests/course/make_class.sh "$scratch/tests-200" 200 1 10
    for after in 20 40 60; do
        check "killed after $after s, nothing of it is left" course_kill tests-200 $after LABS=1-10
    done
    course_grade tests-200 LABS=1-10
    tail -n 25 "$scratch/tests-200/out"
    course_compare tests-200 10
}

# Our own cluster; the command that waits for it is killed, and then the node's daemon is, in the
# middle of its work.
suite_slurm() {
    local missing
    missing=$(slurm_missing)
    if [ -n "$missing" ]; then skip "slurm: $missing"; return; fi
    course_forget tests-slurm
    check "a class of 34 is made" tests/course/make_class.sh "$scratch/tests-slurm" 34 1 2
    check "munged, slurmctld and slurmd of our own start" slurm_start "$scratch/cluster"
    course_grade tests-slurm LABS=1-2 ENGINE=slurm PARTITION=tests TIME=10 &
    sleep 4
    pkill -KILL -P $!
    wait $! 2>/dev/null
    check "the node's daemon is killed, and started again" slurm_node_kill "$scratch/cluster"
    course_grade tests-slurm LABS=1-2 ENGINE=slurm PARTITION=nowhere
    [ $? = 3 ] && grep -q "sbatch:.*partition" "$scratch/tests-slurm/out" &&
        pass "what sbatch refuses is said, status 3" || fail "an unknown partition was not refused"
    course_grade tests-slurm LABS=1-2 ENGINE=slurm PARTITION=tests TIME=10
    [ $? = 1 ] && pass "the class is graded by Slurm" ||
        { fail "the class was not graded" && cat "$scratch/tests-slurm/out"; }
    course_compare tests-slurm 2
    check "the gathering job wrote the grade book" grep -q "Grades: " build/class/tests-slurm/units.log
    slurm_stop "$scratch/cluster"
    check "no daemon of ours is left" sh -c "! ls '$scratch/cluster'/*.pid"
}

suite_parallel() {
    if ! parallel --version 2>/dev/null | grep -q 'GNU parallel'; then
        skip "parallel: GNU parallel is not installed (sudo apt install parallel)"
        return
    fi
    course_forget tests-parallel
    check "a class of 30 is made" tests/course/make_class.sh "$scratch/tests-parallel" 30 1 1
    check "killed after 2 s, nothing of it is left" course_kill tests-parallel 2 LABS=1 ENGINE=parallel
    course_grade tests-parallel LABS=1 ENGINE=parallel
    course_compare tests-parallel 1
}
