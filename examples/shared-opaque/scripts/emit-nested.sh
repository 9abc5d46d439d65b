#!/bin/sh
# emit-nested.sh OUTER INNER: makes a file in each of two directories, one of which lies in the other.
set -eu
mkdir -p "$1" "$2"
echo "in the outer directory" > "$1/fileA"
echo "in the inner directory" > "$2/fileB"
