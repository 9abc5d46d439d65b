#!/bin/sh
# list.sh TARGET DIRECTORY: writes the names of everything below DIRECTORY to TARGET.
set -eu
(cd "$2" && find . -type f) | sort > "$1"
