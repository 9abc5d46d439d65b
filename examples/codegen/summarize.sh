#!/bin/sh
# summarize.sh DIRECTORY PATTERN: prints each file below DIRECTORY whose name matches, and its lines.
set -eu
cd "$1"
find . -type f -name "$2" | sort | while IFS= read -r file; do
    printf '== %s\n' "${file#./}"
    while IFS= read -r line; do printf '   %s\n' "$line"; done < "$file"
done
