#!/bin/sh
# stage.sh OUT HINTS SOURCES LAB... - the folder that a student gets, from a kit that is built. No
# source of a solution, a mutant, an attack or (without SOURCES=yes) a check is in it, and no debug
# information, which would have their lines' numbers and variables.
set -eu
out=$1 hints=$2 sources=$3
shift 3
mkdir -p "$out/objects/bin" "$out/objects/lib" "$out/objects/subjects" "$out/objects/checks" \
    "$out/grader/machine" "$out/grader/prepare" "$out/grader/pages" "$out/labs" "$out/starters"

# without_hints FILE - a table of checks without its hints.
without_hints() {
    awk '/\.hints =/ { skip = 1 } skip { if ($0 ~ /"},[ \t]*$/) skip = 0; next } { print }' "$1"
}

cp grader/dist/Makefile grader/dist/README.md CHANGELOG.md LICENSE .editorconfig .clang-format \
    .gitignore "$out/"
cp -r common "$out/"
cp grader/machine/kernel.sh grader/machine/initramfs.sh grader/machine/guest_linux.sh "$out/grader/machine/"
cp grader/prepare/packages.sh "$out/grader/prepare/"
cp grader/pages/* "$out/grader/pages/"

last=
for lab in "$@"; do
    mkdir -p "$out/labs/$lab" "$out/starters/$lab"
    cp labs/"$lab"/README.md "$out/labs/$lab/"
    for folder in guests linux; do
        [ ! -d "labs/$lab/$folder" ] || cp -r "labs/$lab/$folder" "$out/labs/$lab/"
    done
    for solution in solutions/"$lab"/*.c; do
        grader/verbs/starters.sh print "$solution" >"$out/starters/$lab/${solution##*/}"
        cp "$out/starters/$lab/${solution##*/}" "$out/labs/$lab/"
    done
    last=$lab
done

# The grader, and a checks program a lab, each as one object.
# shellcheck disable=SC2046
ld -r -o "$out/objects/grader.o" $(cat build/dist/grader.objects)
for lab in "$@"; do
    table=build/obj/checks/$lab.o
    if [ "$hints" = no ]; then
        table=$out/objects/table.o
        without_hints "grader/checks/$lab.c" >"$out/objects/$lab.c"
        (cd "$out/objects" && gcc -std=gnu11 -O2 "-ffile-prefix-map=$PWD/=" -I"$OLDPWD/common/include" \
            -I"$OLDPWD/grader" -I"$OLDPWD/grader/checks" -Wa,-I"$OLDPWD/build/guests/$lab" \
            -c "$lab.c" -o table.o)
        rm "$out/objects/$lab.c"
    fi
    # shellcheck disable=SC2046
    ld -r -o "$out/objects/checks/$lab.o" "$table" $(ls build/obj/checks/"$lab"/*.o 2>/dev/null) \
        $(cat build/dist/judge.objects)
    cp "build/subjects/$lab.o" "$out/objects/subjects/"
done
rm -f "$out/objects/table.o"
cp build/bin/agent build/bin/answer build/bin/cage "$out/objects/bin/"
cp build/lib/core.a "$out/objects/lib/"
cp build/subjects/main.o build/subjects/crash.o build/subjects/kernel_calls.o build/subjects/run.o "$out/objects/subjects/"
# Later labs stand on the parts of earlier ones; nothing stands on the last.
for archive in build/lib/[0-9]*.a; do
    lab=${archive##*/}
    [ "${lab%.a}" \< "$last" ] && cp "$archive" "$out/objects/lib/" || true
done
find "$out/objects" -type f | while read -r object; do strip --strip-debug "$object"; done

if [ "$sources" = yes ]; then
    cp -r grader/judge grader/silicon grader/subjects "$out/grader/"
    mkdir -p "$out/grader/checks"
    for lab in "$@"; do
        if [ "$hints" = no ]; then without_hints "grader/checks/$lab.c" >"$out/grader/checks/$lab.c"; else
            cp "grader/checks/$lab.c" "$out/grader/checks/"; fi
        [ ! -d "grader/checks/$lab" ] || cp -r "grader/checks/$lab" "$out/grader/checks/"
    done
fi
