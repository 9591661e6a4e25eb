# intake.bats - a perfect part is never refused for its name or its file system, and what is
# refused is told why; results are about the bytes that were compiled.

bats_require_minimum_version 1.5.0

load kit

# results NAME - a member of the lab's results, of the folder `here`.
results() { tr -d '\t",' <"$(ls build/results-here-*.json)" | sed -n "s/^$1://p" | tail -n 1; }

CHECK=open_asks_version_and_extensions

# folder_make NAME - a submission folder of that name, with a part that is in no cache.
folder_make() {
    SUBMISSION="$BATS_TEST_TMPDIR/$1"
    mkdir -p "$SUBMISSION" && cp -r solutions/01-kvm-open "$SUBMISSION/"
    echo "/* $1, $RANDOM$RANDOM */" | tr '\n' ' ' >>"$SUBMISSION/01-kvm-open/kvm_open.c"
}

# --- names ------------------------------------------------------------------------------------

@test "a folder may have any name: the part is graded, and its warnings name it" {
    long=$(printf 'x%.0s' $(seq 200))
    for name in 'Иван-Петров' 'Ö-Meier' '李 - 2' '-rf' '王小明-lab01' subject warnings manifest \
        common build "O'Brien" 'a$b' ' two  blanks ' $'line\nend' "$long" '@file' '$(reboot)' \
        $'\xd6-Meier' '...' '"' '\'; do
        folder_make "$name"
        echo "static int unused;" >>"$SUBMISSION/01-kvm-open/kvm_open.c"
        run -0 $GRADER grade LAB=1 CHECK=$CHECK TARGET=model FROM="$SUBMISSION"
        has "/01-kvm-open/kvm_open.c:"
        has "0.5 of 0.5 points"
        # The same through make, and with a name that is not a path.
        run -0 make -s grade LAB=1 CHECK=$CHECK TARGET=model FROM="$SUBMISSION"
        has "0.5 of 0.5"
        [ ! -e "./$name" ] || continue
        cp -r "$SUBMISSION" "./$name"
        run -0 $GRADER grade LAB=1 CHECK=$CHECK TARGET=model FROM="$name"
        has "0.5 of 0.5"
        rm -rf "./$name"
    done
}

@test "the again line can be pasted, whatever the folder is called" {
    for name in 'a b' "O'Brien" 'a$b' $'line\nend' '$(touch owned)' '李 - 2' 'x"\y'; do
        folder_make "$name"
        cp labs/01-kvm-open/kvm_open.c "$SUBMISSION/01-kvm-open/"
        run -1 $GRADER grade LAB=1 CHECK=$CHECK TARGET=model SEED=5 FROM="$SUBMISSION"
        again=$(grep '^  make grade' <<<"$output")
        run bash -c "${again/make/make -s}"
        has "SEED=5"
        has "0 of 0.5 points"
    done
    [ ! -e owned ]
}

@test "a folder's name forges no line and no colour of the report" {
    folder_make $'x\n  ok    everything  8 \033[32m'
    grade 0
    has_not $'\033'
    [ -z "$(grep '^  ok    everything' <<<"$output")" ]
    rm "$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1
    has_not $'\033'
    [ -z "$(grep '^  ok    everything' <<<"$output")" ]
}

@test "names are cut between characters, and lines counted in them" {
    folder_make "$(printf '王%.0s' $(seq 80))"
    echo "int broken = nonsense;" >>"$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 1
    has "...王"
    has "王/01-kvm-open/kvm_open.c:"
    iconv -f UTF-8 -t UTF-8 <<<"$output" >/dev/null
    [ "$(head -n 1 <<<"$output" | LC_ALL=C.UTF-8 wc -m)" -le 81 ]
}

@test "the results file says whose it is, and each folder has its own" {
    rm -f build/results-*.json
    for name in 'Иван' 'Пётр' "O'Brien"; do
        folder_make "$name"
        grade 0
        file=$(grep -l "\"name\":.*\"$name\"" build/results-*.json)
        [ "$(wc -l <<<"$file")" = 1 ]
        grep -q "\"from\":.*$name" "$file"
    done
    [ -n "$(ls build/results-Иван-*.json)" ]
    [ -n "$(ls build/results-Пётр-*.json)" ]
}

# --- what is refused, and what it is told -----------------------------------------------------

@test "where a part is missing, what lies there is named" {
    folder_make here
    part="$SUBMISSION/01-kvm-open/kvm_open.c"
    mv "$part" "$SUBMISSION/01-kvm-open/kvm_open (1).c"
    grade 1
    has "looks like it: 01-kvm-open/kvm_open (1).c"
    has_not "make reset"
    mv "$SUBMISSION/01-kvm-open/kvm_open (1).c" "$SUBMISSION/01-kvm-open\\kvm_open.c"
    rmdir "$SUBMISSION/01-kvm-open"
    grade 1
    has 'looks like it: 01-kvm-open\kvm_open.c'
    mkdir -p "$SUBMISSION/lab 1/01-kvm-open"
    mv "$SUBMISSION/01-kvm-open\\kvm_open.c" "$SUBMISSION/lab 1/01-kvm-open/kvm_open.c"
    grade 1
    has "lab 1/01-kvm-open/kvm_open.c"
    has "FROM='$SUBMISSION/lab 1'"
    run -0 $GRADER grade LAB=1 FROM="$SUBMISSION/lab 1"
    mv "$SUBMISSION/lab 1/01-kvm-open/kvm_open.c" "$SUBMISSION/Kvm-Open.C.txt"
    grade 1
    has "looks like it: Kvm-Open.C.txt"
    rm "$SUBMISSION/Kvm-Open.C.txt"
    grade 1
    has "is not there"
    has_not "looks like it"
}

@test "a header that is not taken is named when the part does not compile without it" {
    folder_make here
    sed -i '1i #include "helper.h"' "$SUBMISSION/01-kvm-open/kvm_open.c"
    touch "$SUBMISSION/01-kvm-open/helper.h"
    grade 1
    has "does not compile"
    has "helper.h, which is not taken"
}

@test "UTF-16 is named, with or without its mark" {
    folder_make here
    part="$SUBMISSION/01-kvm-open/kvm_open.c"
    for code in UTF-16 UTF-16LE UTF-16BE; do
        iconv -f UTF-8 -t $code solutions/01-kvm-open/kvm_open.c >"$part"
        grade 1
        has "UTF-16 text"
        has "UTF-8"
    done
}

@test "a part with CR LF at its line ends, and a mark at its beginning, is as good as another" {
    folder_make here
    part="$SUBMISSION/01-kvm-open/kvm_open.c"
    { printf '\xef\xbb\xbf'; sed 's/$/\r/' solutions/01-kvm-open/kvm_open.c; } >"$part"
    grade 0
    has "8 of 8"
}

@test "12 GB of nothing are refused unread" {
    folder_make here
    truncate -s 12G "$SUBMISSION/01-kvm-open/kvm_open.c"
    run -1 sh -c "ulimit -v 1000000; ulimit -t 5; $GRADER grade LAB=1 FROM='$SUBMISSION'"
    has "12884901888 bytes"
}

# --- file systems -----------------------------------------------------------------------------

# A file system that refuses chmod, as WSL's /mnt/c and SMB shares do.
no_chmod() {
    gcc -shared -fPIC -x c - -o "$BATS_TEST_TMPDIR/no_chmod.so" <<'END'
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
/* (Files in memory, which have no name, are of another file system.) */
int fchmod(int fd, mode_t mode)
{
    struct stat s;
    if (fstat(fd, &s) == 0 && s.st_nlink == 0)
        return (int)syscall(SYS_fchmod, fd, mode);
    errno = EPERM;
    return -1;
}
int chmod(const char *path, mode_t mode) { (void)path, (void)mode; errno = EPERM; return -1; }
int fchmodat(int at, const char *path, mode_t mode, int flags)
{ (void)at, (void)path, (void)mode, (void)flags; errno = EPERM; return -1; }
END
    export LD_PRELOAD="$BATS_TEST_TMPDIR/no_chmod.so"
}

@test "a file system that refuses chmod loses no results, and the machine is made on it" {
    folder_make here
    find build/machine -mindepth 1 -delete
    (no_chmod && $GRADER grade LAB=1 FROM="$SUBMISSION") >"$BATS_TEST_TMPDIR/out" 2>&1
    grep -q "8 of 8" "$BATS_TEST_TMPDIR/out"
    grep -q '"pass"' build/results-here-*.json
}

@test "a checkout without exec bits works" {
    find grader tests -name '*.sh' -exec chmod -x {} +
    run -0 sh -c "echo y | $GRADER reset LAB=1"
    has "starter again"
    touch grader/prepare/packages.sh
    run -0 make -s starters
    run -0 make -s doctor
    find grader tests -name '*.sh' -exec chmod +x {} +
}

@test "git gives everybody the same line ends" {
    command -v git >/dev/null || skip "git is not installed"
    tree="$BATS_TEST_TMPDIR/tree"
    git init -q "$tree" && cp -r "$BATS_TEST_DIRNAME/../.gitattributes" grader "$tree/"
    cd "$tree" && git config core.autocrlf true && git add -A 2>/dev/null
    rm -rf grader && git checkout -q -- grader
    run -1 grep -q $'\r' grader/prepare/packages.sh grader/mutants/01-kvm-open/*.patch
}

@test "a build folder that root made is named, with the command that mends it" {
    [ "$(id -u)" = 0 ] || skip "needs root, to make one"
    home="$BATS_FILE_TMPDIR/roots"
    cp -a --sparse=always "$KIT" "$home" && cd "$home" && chown -R nobody .
    as_nobody() { run "$1" setpriv --reuid nobody --regid nogroup --clear-groups "${@:2}"; }
    mkdir -p build/traces/01-kvm-open
    chown nobody build/traces
    as_nobody -3 $GRADER grade LAB=1 FROM=solutions
    has "build/traces/01-kvm-open belongs to somebody else"
    has "sudo chown -R nobody build"
    as_nobody -3 $GRADER doctor
    has "sudo chown -R"
    as_nobody -2 make doctor
    has "sudo chown -R"
    chown -R root build
    as_nobody -2 make grade LAB=1
    has "build belongs to somebody else"
    chown -R nobody build
    as_nobody -0 $GRADER grade LAB=1 FROM=solutions
    has "8 of 8"
    rm -rf "$home"
}

@test "an empty or damaged entry of the cache is made anew, and that is said" {
    rm -rf build/cache
    run -0 $GRADER grade LAB=1 FROM=solutions
    has_not "damaged"
    for damage in 'truncate -s 0' 'truncate -s 5000' 'rm' 'cp build/bin/agent'; do
        $damage build/cache/*/subject
        run -0 $GRADER grade LAB=1 FROM=solutions
        has "is damaged"
        has "8 of 8"
        run -0 $GRADER grade LAB=1 FROM=solutions
        has_not "damaged"
    done
    truncate -s 0 build/cache/*/manifest
    run -0 $GRADER grade LAB=1 FROM=solutions
    has "is damaged"
    has "8 of 8"
}

# --- results ----------------------------------------------------------------------------------

@test "results are filed under what was compiled, not under what lies there at the end" {
    rm -f build/results-*.json
    folder_make here
    part="$SUBMISSION/01-kvm-open/kvm_open.c"
    grade 0
    before=$(results parts)
    rm build/results-here-*.json
    rm -rf build/cache build/tmp
    $GRADER grade LAB=1 FROM="$SUBMISSION" >/dev/null &
    pid=$!
    for _ in $(seq 1000); do ls build/tmp/build.*/src/01-kvm-open/kvm_open.c 2>/dev/null && break; sleep 0.01; done
    cp labs/01-kvm-open/kvm_open.c "$part"
    wait $pid
    [ -n "$before" ]
    [ "$(results parts)" = "$before" ]
    [ "$(results points)" = 8 ]
    grade 1
    [ "$(results parts)" != "$before" ]
    [ "$(results points)" = 0 ]
}

@test "a newer ERROR is seen beside the older PASS" {
    rm -f build/results-*.json
    folder_make here
    grade 0
    [ "$(results points)" = 8 ]
    mv build/checks/01-kvm-open "$BATS_TEST_TMPDIR/checks"
    printf '#!/bin/sh\n[ "$1" = --list ] && exec "%s" --list\nexit 3\n' "$BATS_TEST_TMPDIR/checks" \
        >build/checks/01-kvm-open && chmod +x build/checks/01-kvm-open
    grade 3
    has "ended early"
    run -0 $GRADER progress FROM="$SUBMISSION"
    has "newer: 16 ERROR"
    grep -q '"newer"' build/results-here-*.json
    mv "$BATS_TEST_TMPDIR/checks" build/checks/01-kvm-open
    grade 0
    run -1 grep -q '"newer"' build/results-here-*.json
}
