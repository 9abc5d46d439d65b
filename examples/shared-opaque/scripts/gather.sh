#!/bin/sh
# gather.sh TARGET [DIRECTORY FILE...] [-- DIRECTORY FILE...]...: copies the text of all named files to TARGET.
set -eu
target=$1
shift
: > "$target"
directory=
for word in "$@"; do
    if [ "$word" = -- ]; then
        directory=
    elif [ -z "$directory" ]; then
        directory=$word
    else
        cat "$directory/$word" >> "$target"
    fi
done
