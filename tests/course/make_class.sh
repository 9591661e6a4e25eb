#!/bin/bash
# make_class.sh OUT COUNT FIRST LAST - a class of COUNT students who hand in labs FIRST to LAST:
# OUT/submissions/, OUT/roster.csv, and OUT/expected (id total late status, a line a student).
#
# Most are wrong solutions of which the kit knows what they lose; the others are what a course
# sees: starters as they were, broken archives, odd names, late ones, doubled ones, missing ones.
# Run from the kit's top folder, with everything built.
set -eu
out=$1 count=$2 first=$3 last=$4
subs=$out/submissions
mkdir -p "$subs" "$out/scratch"
pack=$out/scratch/pack
gcc -std=gnu11 -O1 tests/course/pack.c -o "$pack" -larchive
echo "id,name,email,group,login" >"$out/roster.csv"
: >"$out/expected"
made=0

labs=$(for lab in solutions/*/; do
    number=$(basename "$lab" | cut -c1-2)
    if [ "$((10#$number))" -ge "$first" ] && [ "$((10#$number))" -le "$last" ]; then basename "$lab"; fi
done)

# points of a check, in tenths: "id tenths" lines
for lab in $labs; do
    "build/checks/$lab" --list | tr '{' '\n' |
        sed -n 's/.*"id":"\([^"]*\)".*"tenths":\([0-9]*\).*/\1 \2/p' >"$out/scratch/$lab.tenths"
done
all=$(cat "$out"/scratch/*.tenths | awk '{ s += $2 } END { print s }')

tenths() { awk -v t="$1" 'BEGIN { if (t % 10) printf "%d.%d", t / 10, t % 10; else print t / 10 }'; }

# expect ID TENTHS|- LATE STATUS [NAME] - in the roster, and what has to come out.
expect() {
    echo "$1,${5:-},,g$((made % 3)),${6:-}" >>"$out/roster.csv"
    echo "$1|$([ "$2" = - ] || tenths "$2")|$3|$4" >>"$out/expected"
    made=$((made + 1))
}

reference() {
    local name
    mkdir -p "$1"
    for name in $labs; do cp -r "solutions/$name" "$1/"; done
}
starters() {
    local name
    for name in $labs; do mkdir -p "$1/$name" && cp "labs/$name"/*.c "$1/$name/"; done
}

# parts FOLDER WORD... - NAME=FILE words of all parts in it, with PREFIX in front of each name.
words() { (cd "$1" && find . -name '*.c' | sort) | sed "s|^\./||" | while read -r f; do echo "$2$f=$1/$f"; done; }

ref=$out/scratch/reference
reference "$ref"
one=$(echo "$labs" | head -n 1)
one_tenths=$(awk '{ s += $2 } END { print s }' "$out/scratch/$one.tenths")

# --- as they come from platforms -----------------------------------------------------------------
reference "$subs/plain01" && expect plain01 "$all" "" graded
mapfile -t w < <(words "$ref" "")
"$pack" "$subs/zip01.zip" "${w[@]}" && expect zip01 "$all" "" graded
mapfile -t w < <(words "$ref" 'work\'| sed 's|/\([a-z_.]*=\)|\\\1|')
"$pack" "$subs/windows01.zip" "${w[@]}" && expect windows01 "$all" "" graded
mapfile -t w < <(words "$ref" "vmm/labs/")
"$pack" "$subs/tgz01.tar.gz" "${w[@]}" "__MACOSX/._kvm_open.c*10" && expect tgz01 "$all" "" graded
"$pack" "$subs/txz01.tar.xz" "${w[@]}" && expect txz01 "$all" "" graded
mkdir "$subs/Ana Müller_4711_assignsubmission_file_" &&
    cp "$subs/zip01.zip" "$subs/Ana Müller_4711_assignsubmission_file_/my work.zip" &&
    expect moodle01 "$all" "" graded "Ana Müller"
cp "solutions/$one"/*.c "$out/scratch/"
for part in "solutions/$one"/*.c; do
    cp "$part" "$subs/kimchris_LATE_9001_8001_$(basename "$part" .c)-1.c"
done
expect canvas01 "$one_tenths" late graded "Chris Kim"
board=Assignment_board01_attempt_
"$pack" "$subs/${board}2027-01-30-10-00-00_work.zip" "${w[@]}"
starters "$out/scratch/starters"
mapfile -t w < <(words "$out/scratch/starters" "labs/")
"$pack" "$subs/${board}2027-02-01-00-00-05_work.zip" "${w[@]}"
echo "a note" >"$subs/${board}2027-02-01-00-00-05.txt"
expect board01 0 late graded
reference "$subs/submission_11"
cat >"$subs/submission_metadata.yml" <<'END'
---
submission_11:
  :submitters:
  - :name: Greta Scope
    :sid: 'scope01'
    :email: greta@example.org
  - :name: Hugo Scope
    :sid: 'scope02'
    :email: hugo@example.org
  :created_at: 2027-01-30 12:00:00.123456000 Z
  :score: 0.0
END
expect scope01 "$all" "" graded
expect scope02 "$all" "" graded
for login in octo01 octo02; do
    mkdir "$subs/lab1-$login" && starters "$subs/lab1-$login/labs" && (
        cd "$subs/lab1-$login" && git init -q . && git add . &&
            GIT_COMMITTER_DATE="2027-01-2${login#octo0}T00:00:00Z" git -c user.name=x \
                -c user.email=x@example.org commit -qm work)
    expect "$login" 0 "" graded "" "$login"
done

# --- what goes wrong -----------------------------------------------------------------------------
for name in starter01 starter02 starter03; do starters "$subs/$name" && expect $name 0 "" graded; done
: >"$subs/empty01.zip" && expect empty01 - "" unreadable
head -c $(($(stat -c %s "$subs/zip01.zip") / 2)) "$subs/zip01.zip" >"$subs/broken01.zip" && expect broken01 - "" unreadable
"$pack" "$subs/locked01.zip" --password secret "kvm_open.c=solutions/01-kvm-open/kvm_open.c" &&
    expect locked01 - "" unreadable
"$pack" "$subs/bomb01.zip" "zeros*1073741824" && expect bomb01 - "" unreadable
mapfile -t w < <(words "$ref" "")
"$pack" "$subs/escape01.zip" "../../escaped.c=solutions/01-kvm-open/kvm_open.c" \
    "link->/etc/passwd" "${w[@]}" && expect escape01 "$all" "" graded
mkdir "$subs/essay01" && echo "My VMM is nice." >"$subs/essay01/essay.txt" &&
    expect essay01 - "" "needs a person"
for other in solutions/"$(printf %02d $((last + 1)))"-*; do
    if [ -d "$other" ]; then
        mkdir "$subs/other01" && cp -r "$other" "$subs/other01/"
        expect other01 - "" "needs a person"
    fi
done
mkdir "$subs/typo01" && cp "solutions/$one"/*.c "$subs/typo01/" &&
    mv "$subs/typo01/kvm_open.c" "$subs/typo01/kvm_opne.c" && expect typo01 - "" "needs a person"
mkdir -p "$subs/twice01/a" "$subs/twice01/b" && cp "solutions/$one"/*.c "$subs/twice01/a/" &&
    cp "labs/$one"/*.c "$subs/twice01/b/" && expect twice01 - "" "needs a person"
expect missing01 0 "" missing
mkdir "$subs/=1+1<b>odd" && cp "solutions/$one"/*.c "$subs/=1+1<b>odd/" &&
    echo "'=1+1<b>odd|$(tenths "$one_tenths")||graded" >>"$out/expected" && made=$((made + 1))
starters "$subs/hostile01" && cat grader/attacks/kills_everybody.c >>"$subs/hostile01/$one/kvm_open.c" &&
    expect hostile01 0 "" graded

# --- wrong solutions ------------------------------------------------------------------------------
# Those that name what they lose for sure, a lab after the other.
grep -L '^perhaps:' $(for lab in $labs; do ls "grader/mutants/$lab"/*.patch; done) |
    awk -F/ '{ n[$3]++; print n[$3], $0 }' | sort -n -s -k1,1 | cut -d' ' -f2- >"$out/scratch/mutants"
number=0
while [ $made -lt "$count" ] && read -r patch; do
    number=$((number + 1))
    id=$(printf 'wrong%03d' $number)
    lab=$(basename "$(dirname "$patch")")
    reference "$subs/$id"
    command patch -s -p1 -d "$subs/$id/$lab" <"$patch"
    lost=$(sed -n 's/^fails: //p' "$patch" | tr ' ' '\n' |
        awk 'NR == FNR { t[$1] = $2; next } { s += t[$1] } END { print s + 0 }' "$out/scratch/$lab.tenths" -)
    expect "$id" $((all - lost)) "" graded
done <"$out/scratch/mutants"
[ $made -ge "$count" ] || { echo "make_class: only $made students" >&2; exit 1; }
