# usage.bats - what people do to a grader: wrong words, odd files, Ctrl-C, full disks.
# Works on a copy of the kit, so that nothing of the real one is touched.

bats_require_minimum_version 1.5.0

load kit

machines() { pgrep -f "qemu-system-x86_64.*$KIT/|qemu-system-x86_64.*mem-path=build/machine" || true; }

none_left() {
    for _ in $(seq 50); do
        [ -z "$(session_children)" ] && return 0
        sleep 0.1
    done
    session_children
    return 1
}
# Processes that work in our copy of the kit.
session_children() {
    for p in /proc/[0-9]*; do
        [ "$(readlink "$p/cwd" 2>/dev/null)" = "$KIT" ] &&
            case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in
            *qemu-system*|*bwrap*|build/checks/*|build/bin/grader*) echo "${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" | cut -c1-80)" ;;
            esac
    done
    return 0
}

# --- words ------------------------------------------------------------------------------------

@test "an unknown verb, lab, check, setting or target is status 2 and says what there is" {
    run -2 $GRADER frobnicate && has "no verb 'frobnicate'"
    run -2 $GRADER grade LAB=77 && has "no LAB=77" && has "LAB=1"
    run -2 $GRADER grade LAB=1 CHECK=nonsense && has "no CHECK=nonsense"
    run -2 $GRADER grade CHECK=open_failures_are_typed && has "needs LAB="
    run -2 $GRADER grade COLOUR=blue && has "unknown setting"
    run -2 $GRADER grade TARGET=moon && has "model, machine"
    run -2 $GRADER grade SEED=banana && has "not a number"
    run -2 $GRADER grade FROM=/nowhere && has "not a folder"
    run -2 $GRADER hint && has "LAB=1"
    run -2 $GRADER && has "make help"
}

@test "help names every verb" {
    run -0 $GRADER help
    for verb in grade watch hint progress reset run boot trace debug submit shell doctor book test mutants attacks \
        bench starters format clean distclean; do
        has "make $verb"
    done
}

# --- submissions ------------------------------------------------------------------------------

@test "the reference has all points, status 0" {
    submission_make
    grade 0 && has "8 of 8 points"
}

@test "a part that is missing costs its points and says how to get the starter back" {
    submission_make
    rm "$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1 && has "is not there" && has_not "make reset" && has "0 of 8 points"
    mv labs/01-kvm-open/kvm_open.c "$BATS_TEST_TMPDIR/keep"
    run -1 $GRADER grade LAB=1
    mv "$BATS_TEST_TMPDIR/keep" labs/01-kvm-open/kvm_open.c
    has "is not there" && has "make reset LAB=1"
}

@test "a part that does not compile shows the compiler's words with the student's path" {
    submission_make
    echo 'int broken(void) { return nonsense; }' >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1 && has "does not compile" && has "01-kvm-open/kvm_open.c:" && has "nonsense"
    [[ "$output" != *"/kit/"* ]]
}

@test "a part with a function of another name does not link, and says so" {
    submission_make
    sed -i 's/\bvm_create(/vm_make(/' "$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1 && has "does not link" && has "vm_create"
}

@test "a part that is a folder, FIFO, link, link loop, binary or 100 MB is refused in a line" {
    submission_make
    part="$SUBMISSION/01-kvm-open/kvm_open.c"
    rm "$part" && mkdir "$part" && grade 1 && has "not a regular file" && rmdir "$part"
    mkfifo "$part" && grade 1 && has "not a regular file" && rm "$part"
    ln -s "$KIT/solutions/01-kvm-open/kvm_open.c" "$part" && grade 1 && has "symbolic link" && rm "$part"
    ln -s kvm_open.c "$part" && grade 1 && has "symbolic link" && rm "$part"
    head -c 5000 /bin/true >"$part" && grade 1 && has "binary file" && rm "$part"
    truncate -s 100M "$part" && grade 1 && has "104857600 bytes" && rm "$part"
    mv "$SUBMISSION/01-kvm-open" "$SUBMISSION/x" && ln -s x "$SUBMISSION/01-kvm-open"
    grade 1 && has "not a real folder"
}

@test "no message of the compiler looks like a line of the report" {
    submission_make
    sed -n '/end of description/,$p' grader/attacks/lines_of_a_report.c | tail -n +2 \
        >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1 && has "does not compile" && has "  |   ok    opens the device"
    [ "$(grep -c -E '^ *(ok  |8 of 8|Total)' <<<"$output")" = 0 ]
}

@test "what runs in the sandbox has no terminal, also where the grader has one" {
    command -v script >/dev/null || skip "script is not installed (sudo apt install bsdutils)"
    submission_make
    sed -n '/end of description/,$p' grader/attacks/writes_to_terminals.c | tail -n +2 \
        >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    run script -qec "$GRADER grade LAB=1 FROM=$SUBMISSION CHECK=open_failures_are_typed" /dev/null
    has "0 terminals" && [[ "$output" != *FORGED* ]]
}

@test "a folder's name cannot forge a line" {
    bad="$BATS_TEST_TMPDIR/"$'x\n  8 of 8 points: forged\e[31m'
    mkdir -p "$bad/01-kvm-open" && cp solutions/01-kvm-open/*.c "$bad/01-kvm-open/"
    run $GRADER grade LAB=1 FROM="$bad"
    ! grep -q '^  8 of 8 points: forged' <<<"$output" && [[ "$output" != *$'\e'* ]]
}

@test "an unreadable folder is said to be one" {
    [ "$(id -u)" != 0 ] || skip "root can read everything"
    submission_make
    chmod 0 "$SUBMISSION/01-kvm-open"
    grade 1 && has "Permission denied"
    chmod 755 "$SUBMISSION/01-kvm-open"
}

@test "OWN=1 links the submission's earlier parts" {
    submission_make
    sed -i 's/KVM_CREATE_VM, 0)/KVM_CREATE_VM, 99)/' "$SUBMISSION/01-kvm-open/kvm_open.c"
    run -1 $GRADER grade LAB=2 FROM="$SUBMISSION" OWN=1 && has "FAIL"
    has "On your own parts (OWN=1): lab 01 has"
    run -0 $GRADER grade LAB=2 FROM="$SUBMISSION" && has "10 of 10"
}

@test "the same SEED gives the same numbers" {
    submission_make
    sed -i 's/(unsigned long)id)/(unsigned long)id + 1)/' "$SUBMISSION/01-kvm-open/kvm_open.c"
    words() { $GRADER grade LAB=1 FROM="$SUBMISSION" CHECK=vcpu_maps_its_run_area SEED=$1 | grep -A1 seen; }
    a=$(words 5 || true) b=$(words 5 || true) c=$(words 6 || true)
    [ -n "$a" ] && [ "$a" = "$b" ] && [ "$a" != "$c" ]
}

# --- what is not there ------------------------------------------------------------------------

# A PATH with everything but the named programs.
path_without() {
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    for tool in /usr/bin/* /bin/*; do ln -sf "$tool" "$BATS_TEST_TMPDIR/bin/" 2>/dev/null; done
    for tool in "$@"; do rm -f "$BATS_TEST_TMPDIR/bin/$tool"; done
    echo "$BATS_TEST_TMPDIR/bin"
}

@test "without QEMU the machine's checks are SKIP with the fix, never a pass" {
    submission_make
    PATH=$(path_without qemu-system-x86_64) grade 3
    has "SKIP" && has "sudo apt install qemu-system-x86" && has "skipped"
    has "no grade" && [[ "$output" != *"of 8 points"* ]]
}

@test "without a whole target nobody gets a total, but for one's own labs" {
    PATH=$(path_without qemu-system-x86_64) run -3 $GRADER grade FROM=solutions
    has "No total: 8 of 10 labs" && [[ "$output" != *"Total:"* ]]
    grep -q '"points":.*null' build/results-solutions.json
    PATH=$(path_without qemu-system-x86_64) run -1 $GRADER grade && has "Total: 0 of 100"
}

@test "without Bochs the silicon checks are SKIP with the fix, never a pass" {
    PATH=$(path_without bochs) run -3 $GRADER grade LAB=6 FROM=solutions
    has "SKIP" && has "sudo apt install bochs" && has "3 skipped"
    [[ "$output" != *"of 8 points"* ]]
}

@test "TARGET=silicon runs only what the emulated Intel CPU executes" {
    run -1 $GRADER grade LAB=6 FROM=solutions TARGET=silicon
    has "3 passed" && has "TARGET=silicon was asked for"
}

@test "without bubblewrap one's own labs are graded in the machine, and the report says so" {
    PATH=$(path_without bwrap) run $GRADER grade LAB=1 FROM=solutions
    has "bubblewrap" && has "in the machine" && has "8 of 8 points"
}

@test "without bubblewrap nobody else's submission is compiled: status 3 and the fix" {
    submission_make
    PATH=$(path_without bwrap) run -3 $GRADER grade LAB=1 FROM="$SUBMISSION" CAGE=bubblewrap
    has "sudo apt install bubblewrap" && has "error" && has "no grade"
    [[ "$output" != *"of 8 points"* ]]
}

@test "without apt, packages.sh lists what to install and ends with 3" {
    PATH=$(path_without apt-get bwrap) run -3 grader/prepare/packages.sh
    has "bubblewrap" && has "Missing" && has "qemu-system-x86"
}

# A folder with programs that only say what they are told to: stub NAME SHELL...
stub() {
    mkdir -p "$BATS_TEST_TMPDIR/stubs"
    printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/stubs/$1"
    chmod +x "$BATS_TEST_TMPDIR/stubs/$1"
}

@test "sudo that wants a password where there is no terminal is said in a line" {
    stub id 'echo 1000' && stub dpkg-query 'exit 1' && stub sudo 'exit 1'
    PATH="$BATS_TEST_TMPDIR/stubs:$PATH" run -3 setsid -w grader/prepare/packages.sh </dev/null
    has "no terminal to type it at" && has "sudo apt-get install"
    [[ "$output" != *"Installing"* ]]
}

@test "without a network, packages.sh does not advise apt-get update" {
    stub id 'echo 0' && stub dpkg-query 'exit 1'
    stub apt-get "echo \"E: Could not resolve 'a.server'\"; exit 100"
    PATH="$BATS_TEST_TMPDIR/stubs:$PATH" run -3 grader/prepare/packages.sh
    has "no way to the package servers" && [[ "$output" != *"By hand"* ]]
}

@test "a computer of another kind is refused in a line, before anything is compiled" {
    run -2 make -s MACHINE=riscv64 grade
    has "x86-64 and on arm64" && has riscv64 && [ "${#lines[@]}" -le 2 ]
}

@test "a kit that cannot be written to is said in a line" {
    [ "$(id -u)" = 0 ] || skip "needs root, to mount the kit read-only"
    run -3 unshare -m sh -c "mount --bind '$KIT' '$KIT' && mount -o remount,bind,ro '$KIT' && \
        cd '$KIT' && $GRADER grade LAB=1"
    has "cannot write to build/: Read-only file system" && [ "${#lines[@]}" = 1 ]
}

# --- accidents --------------------------------------------------------------------------------

@test "a full disk is the grader's error, status 3, and earlier results are kept" {
    [ "$(id -u)" = 0 ] || skip "needs root, to mount a tiny file system"
    submission_make
    $GRADER grade LAB=1 FROM=solutions >/dev/null
    before=$(sha256sum build/results-solutions.json)
    echo "/* new */" >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    for size in 16k 300k; do
        run -3 unshare -m sh -c "mount -t tmpfs -o size=$size none build/tmp && \
            $GRADER grade LAB=1 FROM='$SUBMISSION'"
        has "grader's problem, not yours" && has "No space left on device"
    done
    [ "$before" = "$(sha256sum build/results-solutions.json)" ]
}

@test "a damaged snapshot and a damaged kernel are made anew, and that is said" {
    machine=$(ls -d build/machine/*/ | grep -v new | head -n 1)
    printf 'garbage' | dd of="${machine}ram" bs=1 seek=1048576 conv=notrunc 2>/dev/null
    run -0 $GRADER grade LAB=1 FROM=solutions && has "snapshot" && has "damaged" && has "8 of 8"
    machine=$(ls -d build/machine/*/ | grep -v new | head -n 1)
    truncate -s 100 "${machine}state"
    run -0 $GRADER grade LAB=1 FROM=solutions && has "damaged" && has "8 of 8"
    run -0 $GRADER grade LAB=1 FROM=solutions && [[ "$output" != *"damaged"* ]]
}

@test "a copy with other times (docker keeps whole seconds) is no damage, and costs no network" {
    copy="$BATS_FILE_TMPDIR/image"
    cp -a --sparse=always "$KIT" "$copy" && cd "$copy"
    find build/kernel build/machine -type f -exec touch -d '2026-01-01 00:00:00' {} +
    mkdir "$BATS_TEST_TMPDIR/bin" && printf '#!/bin/sh\nexit 9\n' >"$BATS_TEST_TMPDIR/bin/apt-get"
    chmod +x "$BATS_TEST_TMPDIR/bin/apt-get"
    PATH="$BATS_TEST_TMPDIR/bin:$PATH" run -0 $GRADER grade LAB=1 FROM=solutions
    has "8 of 8" && [[ "$output" != *"damaged"* ]] && [[ "$output" != *"machine:"* ]]
    rm -rf "$copy"
}

@test "killed or interrupted at any moment, nothing is left and the next run is right" {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        $GRADER grade FROM=solutions >/dev/null 2>&1 &
        pid=$!
        sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
        if [ $((try % 2)) = 0 ]; then kill -9 $pid; else kill -INT $pid; fi 2>/dev/null || true
        wait $pid || true
        none_left
    done
    run -0 $GRADER grade LAB=1 FROM=solutions && has "8 of 8"
    [ -z "$(ls build/tmp 2>/dev/null | grep -v '^build\.')" ]
}

@test "two graders at once do not disturb each other" {
    submission_make
    echo "/* not in the cache */" >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    $GRADER grade LAB=1 FROM="$SUBMISSION" >"$BATS_TEST_TMPDIR/a" 2>&1 &
    a=$!
    $GRADER grade LAB=1 FROM="$SUBMISSION" >"$BATS_TEST_TMPDIR/b" 2>&1 &
    b=$!
    wait $a && wait $b
    grep -q "8 of 8" "$BATS_TEST_TMPDIR/a" && grep -q "8 of 8" "$BATS_TEST_TMPDIR/b"
}

@test "an ordinary user gets the same points" {
    [ "$(id -u)" = 0 ] || skip "this is an ordinary user already"
    home="$BATS_FILE_TMPDIR/user"
    cp -a --sparse=always "$KIT" "$home" && chown -R nobody "$home"
    run -0 setpriv --reuid nobody --regid nogroup --clear-groups \
        sh -c "cd '$home' && $GRADER grade FROM=solutions LAB=1"
    has "8 of 8"
    rm -rf "$home"
}

# --- verbs ------------------------------------------------------------------------------------

@test "hints come one by one, the explanation only after passing" {
    run $GRADER grade LAB=1
    run -0 $GRADER hint LAB=1 CHECK=open_failures_are_typed && has "hint 1" && [[ "$output" != *"hint 2"* ]]
    run -0 $GRADER hint LAB=1 CHECK=open_failures_are_typed && has "hint 2"
    run -0 $GRADER hint LAB=1 CHECK=open_failures_are_typed && has "hint 3" && has "last hint"
    cp labs/01-kvm-open/kvm_open.c "$BATS_TEST_TMPDIR/keep"
    cp solutions/01-kvm-open/kvm_open.c labs/01-kvm-open/
    run -0 $GRADER grade LAB=1
    cp "$BATS_TEST_TMPDIR/keep" labs/01-kvm-open/kvm_open.c
    run -0 $GRADER hint LAB=1 CHECK=open_failures_are_typed && has "passed"
    run -0 $GRADER hint LAB=1 CHECK=list && has "  ok    open_failures_are_typed"
    run -0 $GRADER hint LAB=2 && has "hint 1" && has "Also open" && [ "${#lines[@]}" -lt 15 ]
    run -0 $GRADER progress && has "8 of"
}

@test "ALL=1 explains what has passed, and nothing else" {
    $GRADER grade LAB=6 FROM=solutions >/dev/null
    run -0 $GRADER hint LAB=6 FROM=solutions ALL=1
    [ "$(grep -c ': passed\.' <<<"$output")" = "$($GRADER hint LAB=6 CHECK=list | grep -c '^  ')" ]
    $GRADER grade LAB=6 >/dev/null || true
    run -0 $GRADER hint LAB=6 ALL=1
    [[ "$output" != *": passed."* ]] && has "once their checks pass"
}

@test "reset asks first and keeps a backup" {
    echo "/* mine */" >>labs/01-kvm-open/kvm_open.c
    run -0 sh -c "echo n | $GRADER reset LAB=1" && has "Nothing was changed"
    grep -q mine labs/01-kvm-open/kvm_open.c
    run -0 sh -c "echo y | $GRADER reset LAB=1" && has "backups/"
    ! grep -q mine labs/01-kvm-open/kvm_open.c
    grep -rq mine backups/
    cmp labs/01-kvm-open/kvm_open.c <(grader/verbs/starters.sh print solutions/01-kvm-open/kvm_open.c)
}

@test "watch grades again when a part is saved" {
    timeout 60 $GRADER watch LAB=1 TIMES=2 >"$BATS_TEST_TMPDIR/watch" 2>&1 &
    pid=$!
    for _ in $(seq 200); do grep -q Watching "$BATS_TEST_TMPDIR/watch" && break; sleep 0.1; done
    echo "/* saved */" >>labs/01-kvm-open/kvm_open.c
    wait $pid
    [ "$(grep -c 'of 8 points' "$BATS_TEST_TMPDIR/watch")" = 2 ]
    echo y | $GRADER reset LAB=1 >/dev/null
}

@test "watch without LAB grades the lab that was saved, and survives a folder that is replaced" {
    cp -r labs "$SUBMISSION"
    timeout 120 $GRADER watch FROM="$SUBMISSION" TIMES=4 >"$BATS_TEST_TMPDIR/watch" 2>&1 &
    pid=$!
    graded() { # N: so many gradings are over
        for _ in $(seq 600); do
            [ "$(grep -c '^Watching' "$BATS_TEST_TMPDIR/watch")" -ge "$1" ] && return; sleep 0.1
        done
    }
    graded 1 && echo "/* saved */" >>"$SUBMISSION/06-io-bitmap/io_exit.c"
    graded 2 && mv "$SUBMISSION/01-kvm-open" "$SUBMISSION/old" &&
        cp -r "$SUBMISSION/old" "$SUBMISSION/01-kvm-open"
    graded 3 && echo "/* saved */" >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    wait $pid
    run -0 grep '^Grading' "$BATS_TEST_TMPDIR/watch"
    [ "$output" = "Grading all labs
Grading again: 06-io-bitmap
Grading again: 01-kvm-open
Grading again: 01-kvm-open" ]
}

@test "PROBLEMS=1: failures as FILE:LINE, at the TODO of the step" {
    run -1 $GRADER grade LAB=5 PROBLEMS=1
    line=$(grep -n 'TODO 9:' labs/05-ept-walk/ept_walk.c | head -n 1 | cut -d: -f1)
    has "labs/05-ept-walk/ept_walk.c:$line: error: " && has "[misconfigured_entries_are_found]"
}

@test "in a lab's folder, make means this lab; an editor's file names it, too" {
    cd labs/06-io-bitmap
    run make -s hint CHECK=list
    has "Checks of lab 06"
    cd "$KIT"
    run -0 $GRADER hint LAB=labs/06-io-bitmap/io_exit.c CHECK=list
    has "Checks of lab 06"
    run -2 $GRADER hint LAB=labs/06-io
}

@test "submit packs the parts, the same ones to the same bytes, and nothing that is no part" {
    run -0 $GRADER submit LAB=6 FROM=solutions
    has "0 of 8 points" || has "8 of 8 points"
    sum=$(sha256sum <build/submit/06-io-bitmap.tar.gz)
    [ "$(tar tf build/submit/06-io-bitmap.tar.gz)" = "06-io-bitmap/io_bitmap.c
06-io-bitmap/io_exit.c" ]
    cp -r solutions "$SUBMISSION" && touch "$SUBMISSION"/06-io-bitmap/*
    run -0 $GRADER submit LAB=6 FROM="$SUBMISSION"
    [ "$(sha256sum <build/submit/06-io-bitmap.tar.gz)" = "$sum" ]
    run -0 $GRADER submit FROM=solutions
    mkdir "$BATS_TEST_TMPDIR/out" && tar xf build/submit/labs.tar.gz -C "$BATS_TEST_TMPDIR/out"
    [ "$(find "$BATS_TEST_TMPDIR/out" -type f | wc -l)" = "$(ls solutions/*/*.c | wc -l)" ]
    rm "$SUBMISSION/06-io-bitmap/io_exit.c" && ln -s /etc/passwd "$SUBMISSION/06-io-bitmap/io_exit.c"
    run -1 $GRADER submit LAB=6 FROM="$SUBMISSION"
    has "io_exit.c cannot be handed in: it is no ordinary file"
}

@test "debug stops gdb at the call that failed; says where there is none" {
    command -v gdb >/dev/null || skip "gdb is not installed"
    cp -r labs/05-ept-walk "$BATS_TEST_TMPDIR/kept" && cp solutions/05-ept-walk/*.c labs/05-ept-walk/
    sed 1,2d grader/mutants/05-ept-walk/accessed-only-in-the-leaf.patch | patch -s -d labs/05-ept-walk -p1
    run -0 $GRADER debug LAB=5 CHECK=accessed_and_dirty_are_set SEED=7 </dev/null
    cp "$BATS_TEST_TMPDIR/kept"/*.c labs/05-ept-walk/
    has "gdb stops at ept_walk() where gpa is 0x9e5124161b62" && has "0 of 0.7 points"
    has "Breakpoint 1, ept_walk (ept=" && has "gpa = $((0x9e5124161b62))"
    run -1 $GRADER debug LAB=3 CHECK=counters_agree_with_the_kernel
    has "runs in the machine" && has "make trace"
    run -3 $GRADER debug LAB=1 CHECK=open_asks_version_and_extensions
    has "pretended KVM"
    run -2 $GRADER debug LAB=1
    has "CHECK=list"
}

@test "run shows the VMM at work, and what is not written yet" {
    run -0 $GRADER run LAB=3 FROM=solutions
    has "Hello from non-root mode." && has "1234 squared is 1522756" && has "anon_inode:kvm-vm"
    run $GRADER run LAB=1 && has "not written yet"
}

@test "run shows something of every lab's own part" {
    for lab in 4 5 6 7 8 9 10; do
        run -0 $GRADER run LAB=$lab FROM=solutions
        has "no VMM by itself"
        [ "$lab" = 7 ] || has "Measured in this run"
    done
}

@test "trace decodes the exits of the last graded run" {
    run -1 $GRADER trace LAB=3
    cp -r labs "$BATS_TEST_TMPDIR/labs" && cp solutions/03-exit-loop/*.c labs/03-exit-loop/
    run -0 $GRADER grade LAB=3
    rm -r labs && mv "$BATS_TEST_TMPDIR/labs" labs
    run -0 $GRADER trace LAB=3 && has "VM exits" && has "Recorded runs"
    run -0 $GRADER trace LAB=3 CHECK=counters_agree_with_the_kernel TEXT=1
    has "hlt" && has "VMM" && has "Returns of KVM_RUN to your VMM"
    run -0 $GRADER trace LAB=3 CHECK=counters_agree_with_the_kernel
    has "build/trace/03-exit-loop-counters_agree_with_the_kernel.html"
    grep -q tour.long64.c build/trace/03-exit-loop-counters_agree_with_the_kernel.html
}

@test "trace opens the lab's best page, of any folder, as text too; says what has none" {
    submission_make
    run -0 $GRADER grade LAB=6 FROM="$SUBMISSION"
    run -0 $GRADER trace LAB=6 FROM="$SUBMISSION"
    has "random_walk_exits_where_you_decided-bitmap.html" && has "Recorded runs"
    run -0 $GRADER trace LAB=6 FROM="$SUBMISSION" TEXT=1
    has "accesses:" && has "text IN of 1 byte at port 0x70ff"
    run -1 $GRADER trace LAB=6 FROM="$SUBMISSION" CHECK=bad_ranges_change_nothing
    has "this check has no picture" && has "passed_device_is_driven_without_an_exit"
    run -1 $GRADER trace LAB=3 FROM="$SUBMISSION" CHECK=counters_agree_with_the_kernel
    has "make grade LAB=3 CHECK=counters_agree_with_the_kernel FROM="
}

@test "a failed check names the exit, and trace opens there" {
    cp -r labs "$BATS_TEST_TMPDIR/labs" && cp solutions/03-exit-loop/*.c labs/03-exit-loop/
    patch -s -p1 -d labs/03-exit-loop <grader/mutants/03-exit-loop/shutdown-is-a-halt.patch
    run -1 $GRADER grade LAB=3 && has "(opens at exit "
    rm -r labs && mv "$BATS_TEST_TMPDIR/labs" labs
    run -0 $GRADER trace LAB=3
    has "triple_fault_is_a_shutdown" && has "It failed at exit" && has "  FAIL  triple_fault"
    grep -q '"failed":{"asked"' build/trace/03-exit-loop-triple_fault_is_a_shutdown.html
    run -0 $GRADER trace LAB=3 TEXT=1
    [ "$(grep -c '^>' <<<"$output")" = 1 ]
}

@test "a crash names the line, the function and what the check had called" {
    submission_make
    cat >"$SUBMISSION/crash.c" <<'END'
static void *volatile nothing;
__attribute__((noinline)) static void clear_it(void)
{
    memset(nothing, 0, 100000 + (nothing != NULL));
    nothing = NULL;
}
END
    sed -i -e '/^int kvm_open(/{n;s/{/{ clear_it();/}' -e '/^#include "kvm_open.h"/r '"$SUBMISSION/crash.c" \
        "$SUBMISSION/01-kvm-open/kvm_open.c"
    sed -i '1i #include <string.h>' "$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1
    line=$(grep -n memset "$SUBMISSION/01-kvm-open/kvm_open.c" | cut -d: -f1)
    output=$(tr -s ' \n' ' ' <<<"$output")
    has "It was at kvm_open.c:$line, in clear_it(), which had called memset(); the check had called kvm_open()"
    has "address 0 (a NULL pointer?)"
}

@test "shell has the student's VMM and guests in it; what is typed at once is not lost" {
    run -0 sh -c "printf 'vmm\nls guests\n' | timeout 120 $GRADER shell FROM=solutions"
    has "machine#" && has "1234 squared is 1522756" && has "07-irt-pid"
}

@test "doctor finds everything here" {
    run -0 $GRADER doctor && has "Everything that the labs need is here"
}

@test "clean leaves the machine, distclean leaves nothing" {
    copy="$BATS_FILE_TMPDIR/cleaned"
    cp -a --sparse=always "$KIT" "$copy" && cd "$copy"
    make -s clean && [ -d build/machine ] && [ ! -e build/bin ] && [ ! -e build/cache ]
    make -s distclean && [ ! -e build ]
    rm -rf "$copy"
}

@test "boot: Linux on the reference, typed at through a pipe, until it switches itself off" {
    run -0 bash -c "echo 'cat /proc/cmdline; poweroff -f' |
        $GRADER boot FROM=solutions CMDLINE=a_word_of_ours"
    has "is no terminal" && has "guest# " && has "a_word_of_ours"
    has "the guest switched itself off" && has "Exits that reached the VMM: IO"
}

@test "boot DEVICE=edu: the guest finds the device on its PCI bus" {
    run -0 bash -c "echo 'cat /sys/bus/pci/devices/0000:00:05.0/vendor; ls /dev/uio0; reboot -f' |
        $GRADER boot FROM=solutions DEVICE=edu"
    has "0x1234" && has "/dev/uio0" && has "ended by a triple fault"
}

@test "boot says what it cannot do" {
    run -2 $GRADER boot FROM=solutions DEVICE=disk && has "there is: edu"
    run -2 $GRADER boot FROM=solutions CMDLINE="$(head -c 2000 /dev/zero | tr '\0' x)"
    has "a kernel takes 2047"
    run -1 bash -c "$GRADER boot </dev/null" && has "board_create()" && has "not written yet"
}

@test "boot gives the terminal back, also when it is killed" {
    cat >"$BATS_TEST_TMPDIR/session" <<EOF
stty -g >$BATS_TEST_TMPDIR/before
timeout --foreground -s KILL 3 $GRADER boot FROM=solutions
sleep 0.5
stty -g >$BATS_TEST_TMPDIR/after
EOF
    run script -qec "sh $BATS_TEST_TMPDIR/session" /dev/null
    [ -s "$BATS_TEST_TMPDIR/before" ]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "the capstone is graded when it is named, and its points stand apart" {
    run -0 $GRADER grade FROM=solutions LAB=11 TARGET=model CHECK=uart_fifo_keeps_order
    run -0 $GRADER progress FROM=solutions && has "; capstone 0.8 of 20"
    run -1 $GRADER grade LAB=11 CHECK=uart_fifo_keeps_order && has "Your own parts: none"
    run -1 $GRADER grade LAB=11 CHECK=uart_fifo_keeps_order OWN=0
    [[ "$output" != *"Your own parts"* ]]
}
