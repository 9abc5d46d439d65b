#!/usr/bin/env bash
# real-program.sh: builds zlib, which nobody here wrote, and looks closely.
#
# The sources are fetched by examples/zlib/fetch.sh. Builds twice: the second build runs nothing. Changes a header, a
# source, and a time alone: what is compiled again is what read the change, as the compiler's own lists say. Then compares
# what the build observed with what strace saw. DSCRIPT names the program, else it is built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

skip() {
    echo "skipped: $*"
    exit 0
}
die() {
    echo "real-program.sh: $*" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || skip "builds run on Linux only"
for program in cc ar python3; do
    command -v "$program" > /dev/null || skip "there is no \`$program\`"
done
example=$root/examples/zlib
if [ ! -d "$example/source" ]; then
    "$example/fetch.sh" || skip "the sources cannot be fetched"
fi
if [ -z "${DSCRIPT:-}" ]; then
    (cd "$root" && cargo build --quiet)
    DSCRIPT=$root/target/debug/dscript
fi
export DSCRIPT

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
workspace=$work/zlib
cp -r "$example" "$workspace"
rm -rf "$workspace/Out" "$workspace/.dscript"

# build LOG OPTION…: builds, and prints the number of pips that ran.
build() {
    local log=$1
    shift
    "$DSCRIPT" build "$workspace" --log "$log" "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; die "the build fails"; }
    python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readlines()[-1])["executed"])' "$log"
}
# compiled LOG: the objects that were made again.
compiled() {
    python3 - "$1" <<'PYTHON'
import json, os, sys
for line in open(sys.argv[1]):
    pip = json.loads(line)
    if pip.get("result") == "executed":
        for output in pip["outputs"]:
            if output["path"].endswith(".o") and "/objects/" in output["path"] and "makecrch" not in output["path"]:
                print(os.path.basename(output["path"]))
PYTHON
}
# readers FILE: the objects whose lists name a file of the sources. Those of the tests are made together.
readers() {
    local tests='^(example|infcover|minigzip)\.o$' found
    found=$(grep -rlE "[ /]$1( |\$)" "$workspace"/Out --include '*.d' | sed 's|.*/||; s|\.d$|.o|')
    grep -vE "$tests" <<< "$found" || true
    grep -qE "$tests" <<< "$found" && printf '%s.o\n' example infcover minigzip || true
}
same() {
    [ "$(sort <<< "$1")" = "$(sort <<< "$2")" ] || die "$3: compiled again: $(echo $1); what read it: $(echo $2)"
}

ran=$(build "$work/1.log")
[ "$ran" -gt 25 ] || die "the first build ran $ran pips"
report=$(find "$workspace/Out" -name example.txt | head -n 1)
grep -q 'inflate with dictionary: hello, hello!' "$report" || die "the program's own test says: $(cat "$report")"
echo "built: $ran pips; the program's own tests pass (\`example\` static and shared, \`infcover\`, \`minigzip\`)"
ran=$(build "$work/2.log")
[ "$ran" = 0 ] || die "the second build ran $ran pips"
echo "built again: nothing ran"

for header in gzguts.h inftrees.h zutil.h; do
    expected=$(readers "source/$header")
    echo "/* changed */" >> "$workspace/source/$header"
    ran=$(build "$work/3.log")
    same "$(compiled "$work/3.log")" "$expected" "$header"
    echo "$header changed: $ran pips ran, among them those of the $(wc -l <<< "$expected") objects that read it"
done
echo "/* changed */" >> "$workspace/source/trees.c"
ran=$(build "$work/4.log")
same "$(compiled "$work/4.log")" trees.o trees.c
echo "trees.c changed: $ran pips ran, among them its compilation"
touch "$workspace"/source/*
ran=$(build "$work/5.log")
[ "$ran" = 0 ] || die "$ran pips ran after nothing but times changed"
echo "all times changed: nothing ran"

if ! command -v strace > /dev/null || ! strace -o "$work/try" true 2> /dev/null; then
    skip "what was observed is not compared: strace is missing or may not trace"
fi
rm -rf "$workspace/Out"
strace -f -y -s 4096 -o "$work/trace" "$DSCRIPT" build "$workspace" -j1 --no-cache --log "$work/6.log" \
    > "$work/out" 2>&1 || { cat "$work/out" >&2; die "the build under strace fails"; }
echo "compared with strace, below the workspace:"
python3 "$root/tests/tools/compare_reads.py" "$work/trace" "$work/6.log" "$workspace" || die "what was observed differs"
