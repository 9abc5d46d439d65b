#!/bin/sh
# summarize.sh DIRECTORY PATTERN: prints each file in DIRECTORY that PATTERN matches, and its lines.
set -eu
cd "$1"
for file in $2; do
    printf '== %s\n' "$file"
    while IFS= read -r line; do printf '   %s\n' "$line"; done < "$file"
done
