#!/bin/sh
# emit.sh [--into] DIRECTORY FILE...: makes each FILE below DIRECTORY.
set -eu
[ "$1" != --into ] || shift
directory=$1
shift
for file in "$@"; do
    mkdir -p "$(dirname "$directory/$file")"
    echo "made by emit: $file" > "$directory/$file"
done
