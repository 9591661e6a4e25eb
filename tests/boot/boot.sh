# boot.sh - the suite boot: `make boot`, as people use it. Sourced by tests/run.sh.
# shellcheck shell=bash disable=SC2154

# boot_run INPUT SETTING... - what it printed, in $scratch/boot. A guest that needs more than five
# minutes is ended: an idle computer takes five seconds.
boot_run() {
    local input=$1
    shift
    printf '%b' "$input" | timeout 300 $grader boot FROM=solutions "$@" >"$scratch/boot" 2>&1
}

# boot_says TEXT INPUT SETTING... - and one of its lines has TEXT.
boot_says() {
    local text=$1
    shift
    boot_run "$@"
    tr -d '\r' <"$scratch/boot" | grep -q -e "$text" || { tail -n 20 "$scratch/boot"; return 1; }
}

# boot_refuses TEXT SETTING... - status 2, before anything is started.
boot_refuses() {
    local text=$1
    shift
    boot_run "" "$@"
    [ $? -eq 2 ] && grep -q -e "$text" "$scratch/boot" || { cat "$scratch/boot"; return 1; }
}

boot_kernels_refused() {
    : >"$scratch/empty"
    head -c 65536 /dev/zero >"$scratch/zeros"
    truncate -s 200M "$scratch/huge"
    gzip -c "$scratch/zeros" >"$scratch/zeros.gz"
    boot_refuses 'No such file' KERNEL=/nowhere/at/all &&
        boot_refuses 'no regular file' KERNEL=/tmp &&
        boot_refuses 'is empty' "KERNEL=$scratch/empty" &&
        boot_refuses 'no kernel that can be booted' "KERNEL=$scratch/zeros" &&
        boot_refuses 'something packed' "KERNEL=$scratch/zeros.gz" &&
        boot_refuses '200 MiB' "KERNEL=$scratch/huge"
}

boot_processors_refused() {
    boot_refuses '1 to 4 processors' CPUS=0 && boot_refuses '1 to 4 processors' CPUS=5 &&
        boot_refuses '1 to 4 processors' CPUS=one
}

boot_multiboot() {
    gcc -m32 -nostdlib -static -Wl,-Ttext=0x200000 -Wl,--build-id=none \
        -o "$scratch/multiboot" tests/boot/multiboot.S || return 1
    boot_says '^multiboot: as promised' "" "KERNEL=$scratch/multiboot" CMDLINE=the-end &&
        grep -q 'the-end$' "$scratch/boot" && grep -q 'switched itself off' "$scratch/boot"
}

# An outside guest: memtest86+ counts errors on the serial line until somebody ends it.
boot_memtest() {
    timeout "${MEMTEST_SECONDS:-60}" $grader boot FROM=solutions "KERNEL=$1" </dev/null \
        CMDLINE=console=ttyS0,115200 >"$scratch/boot" 2>&1
    grep -aq 'Errors: *0' "$scratch/boot" && grep -aq 'MB of 127MB' "$scratch/boot" &&
        ! grep -aq 'Errors: *[1-9]' "$scratch/boot" || { tail -c 500 "$scratch/boot"; return 1; }
}

# A file of a Debian package, unpacked, not installed: package_file PACKAGE PATTERN
package_file() {
    (cd "$scratch" && timeout 200 apt-get download "$1" >/dev/null 2>&1 &&
        dpkg -x "$1"_*.deb "$scratch/$1" && find "$scratch/$1/boot" -name "$2" | head -n 1)
}

boot_outside_guests() {
    local image
    image=$(package_file memtest86+ 'memtest86+x64.bin')
    if [ -n "$image" ]; then check "memtest86+ finds 127 MiB and no error" boot_memtest "$image"
    else skip "memtest86+: apt has no such package here"; fi
    image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9]\)/\1/p' | head -n 1)
    image=$([ -n "$image" ] && package_file "$image" 'vmlinuz-*')
    if [ -n "$image" ]; then
        check "a bzImage unpacks itself and boots" \
            boot_says 'switched itself off' 'poweroff -f\n' "KERNEL=$image"
    else skip "a bzImage: apt has no cloud kernel here"; fi
}

boot_two_processors() {
    boot_says '^processors 2$' 'echo processors $(grep -c ^processor /proc/cpuinfo)\npoweroff -f\n' CPUS=2 &&
        grep -q 'switched itself off' "$scratch/boot" || { cat "$scratch/boot"; return 1; }
}

# --- the terminal ------------------------------------------------------------------------------

descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# descendant_named PID NAME - the first such process below PID that there is.
descendant_named() {
    local pid
    for pid in $(descendants "$1"); do
        case $(cat "/proc/$pid/comm" 2>/dev/null) in "$2"*) echo "$pid" && return ;; esac
    done
    return 1
}

# waits_for SECONDS COMMAND...
waits_for() {
    local left=$(($1 * 5))
    shift
    until "$@"; do
        [ $((left -= 1)) -gt 0 ] || return 1
        sleep 0.2
    done
}

# On a terminal of its own (script): stty says what it was like before and after. How it ends is up to
# COMMAND, which gets the terminal's process and finds the keyboard at descriptor 9.
boot_on_terminal() {
    local terminal dir=$scratch/terminal after
    # (Nobody waits for the terminal's keeper when the grader itself is killed by SIGKILL.)
    after="for _ in \$(seq ${patience:-1}); do stty -a >$dir/after; cmp -s $dir/before $dir/after && break; sleep 0.1; done"
    rm -rf "$dir" && mkdir "$dir" && mkfifo "$dir/keys" || return 1
    printf '%s\n' "stty -a >$dir/before" "$grader boot FROM=solutions" "$after" >"$dir/run"
    script -qefc "bash $dir/run" "$dir/screen" <"$dir/keys" >/dev/null 2>&1 &
    terminal=$!
    exec 9>"$dir/keys"
    waits_for 200 grep -aq 'guest# ' "$dir/screen" && "$@" "$terminal" &&
        waits_for 60 test -s "$dir/after"
    exec 9>&-
    waits_for 20 sh -c "! kill -0 $terminal 2>/dev/null" || kill "$terminal"
    wait "$terminal" 2>/dev/null
    cmp "$dir/before" "$dir/after" || { tail -c 600 "$dir/screen"; return 1; }
}

# While Linux runs, it is raw: else there is nothing to restore.
is_raw() { stty -a -F "/proc/$(descendant_named "$1" bash)/fd/0" | grep -q -e '-icanon'; }

ends_by_keys() { is_raw "$1" && printf '\001x' >&9; }
ends_by_death() { is_raw "$1" && kill -9 "$(descendant_named "$1" qemu-system)"; }
ends_by_signal() { is_raw "$2" && kill "-$1" "$(descendant_named "$2" grader)"; }
ends_by_poweroff() { is_raw "$1" && printf 'poweroff -f\r' >&9; }

boot_terminals() {
    check "the terminal is as before: Ctrl-A x" boot_on_terminal ends_by_keys
    check "the terminal is as before: poweroff" boot_on_terminal ends_by_poweroff
    check "the terminal is as before: QEMU is killed" boot_on_terminal ends_by_death
    for signal in INT TERM; do
        check "the terminal is as before: SIG$signal" boot_on_terminal ends_by_signal $signal
    done
    patience=100 check "the terminal is as before, soon: SIGKILL" boot_on_terminal ends_by_signal KILL
}

suite_boot() {
    check "Linux gets to a prompt, answers, and powers off" \
        boot_says '^6006$' 'echo $((77 * 78))\npoweroff -f\n'
    check "two processors" boot_two_processors
    check "no processor, five, and one in words are refused" boot_processors_refused
    check "what cannot be a kernel is refused at once, in clear words" boot_kernels_refused
    check "a multiboot image gets what it was promised" boot_multiboot
    boot_outside_guests
    if command -v script >/dev/null; then boot_terminals
    else skip "a terminal: script is not installed (sudo apt install bsdutils)"; fi
}
