#!/bin/sh
# round-trip.sh MINIGZIP DIRECTORY FILE...: packs a greeting and each FILE into DIRECTORY, unpacks and compares.
set -eu
minigzip=$1
packed=$2
shift 2
[ "$(echo hello world | "$minigzip" | "$minigzip" -d)" = "hello world" ]
for file in "$@"; do
    "$minigzip" -9 < "$file" > "$packed/${file##*/}.gz"
    "$minigzip" -d < "$packed/${file##*/}.gz" | cmp - "$file"
done
