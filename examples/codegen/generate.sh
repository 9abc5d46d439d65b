#!/bin/sh
# generate.sh MESSAGES DIRECTORY: makes DIRECTORY/LANGUAGE.catalogue for each language in MESSAGES, and
# DIRECTORY/LANGUAGE/KEY.txt for each message. A line of MESSAGES is: LANGUAGE KEY TEXT.
set -eu
mkdir -p "$2"
while read -r language key text; do
    mkdir -p "$2/$language"
    printf '%s\n' "$text" > "$2/$language/$key.txt"
    printf '%s = "%s"\n' "$key" "$text" >> "$2/$language.catalogue"
done < "$1"
