#!/bin/sh
# starters.sh write|check|print FILE - the starters in labs/ are made from solutions/.
#
# In a solution, the lines between //@begin and //@end become those that are marked //@ in
# front of them: the task and a stub that compiles.
#   write   makes all of them anew
#   check   says which are not what they should be (status 1)
#   print   one, on standard output
set -eu
cd "$(dirname "$0")/../.."

starter() {
    awk '
        /^[ \t]*\/\/@begin/ { hole = 1; match($0, /^[ \t]*/); indent = substr($0, 1, RLENGTH);
                              if (indent == "" && depth > 0) indent = "    "; next }
        /^[ \t]*\/\/@end/   { hole = 0; next }
        /^[ \t]*\/\/@/      { sub(/^[ \t]*\/\/@ ?/, ""); print ($0 == "" ? "" : indent $0); next }
        hole                { next }
        { print; if ($0 ~ /^\{/) depth = 1; if ($0 ~ /^\}/) depth = 0 }' "$1"
}

case ${1:-} in
write)
    for solution in solutions/*/*.c; do
        lab=labs/${solution#solutions/}
        mkdir -p "${lab%/*}"
        starter "$solution" >"$lab.new"
        mv "$lab.new" "$lab"
    done
    ;;
check)
    status=0
    for solution in solutions/*/*.c; do
        lab=labs/${solution#solutions/}
        starter "$solution" | cmp -s - "$lab" || {
            echo "$lab is not what $solution makes: run make starters" >&2
            status=1
        }
    done
    exit $status
    ;;
print) starter "$2" ;;
*)
    echo "usage: starters.sh write|check|print FILE" >&2
    exit 2
    ;;
esac
