#!/usr/bin/env bash
# peers.sh: speaks with programs of the Remote Execution API that others wrote, as far as they are here.
#
# Bazel as a client of `dscript cas serve`: a workspace is built, cleaned and built again, with a server that was started
# anew in between; everything must come from it. Debian has Bazel as `bazel-bootstrap`.
#
# NativeLink, BuildGrid and buildbox-casd as servers: the program brings a tree up and down again, and the tests that need a
# server of others have this one (`support/peer.rs`): the client's, those of the remote cache, and where the server runs
# actions those of remote execution, with all examples. NATIVELINK is the program `nativelink`, BUILDGRID the program `bgd`;
# without them they are looked for on PATH. BUILDBOX is the folder of buildbox-casd.
#
# DSCRIPT names our program, else it is built. What is not here is skipped, and said so.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DSCRIPT:-}" ]; then
    (cd "$root" && cargo build --quiet)
    DSCRIPT=$root/target/debug/dscript
fi

work=$(mktemp -d)
running=()
finish() {
    for id in "${running[@]}"; do
        kill "$id" 2> /dev/null || true
    done
    for id in "${running[@]}"; do
        wait "$id" 2> /dev/null || true
    done
    chmod -R u+w "$work"
    rm -rf "$work"
}
trap finish EXIT
done_with=()
skipped=()

die() {
    echo "peers.sh: $*" >&2
    exit 1
}

# free_port: a port that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for PORT ID: until the process listens there.
wait_for() {
    for _ in $(seq 300); do
        kill -0 "$2" 2> /dev/null || return 1
        if python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2> /dev/null; then
            return 0
        fi
        sleep 0.1
    done
    return 1
}

# serve OPTION…: our server; sets `url` and `server`.
serve() {
    "$DSCRIPT" cas serve --dir "$work/served" "$@" > "$work/listening" &
    server=$!
    running+=("$server")
    for _ in $(seq 100); do
        url=$(sed -n 's/^listening on //p' "$work/listening")
        [ -n "$url" ] && return
        sleep 0.1
    done
    die "our server does not start"
}

bazel_as_client() {
    local workspace=$work/bazel
    mkdir -p "$workspace"
    echo 'workspace(name = "peers")' > "$workspace/WORKSPACE"
    echo "an input" > "$workspace/input.txt"
    cat > "$workspace/rules.bzl" << 'END'
def _folder(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        outputs = [out],
        inputs = ctx.files.srcs,
        command = "mkdir -p {0}/deep/er && cp {1} {0}/deep/er/copy && : > {0}/empty && echo x > {0}/run && chmod +x {0}/run"
            .format(out.path, ctx.files.srcs[0].path),
    )
    return [DefaultInfo(files = depset([out]))]

folder = rule(implementation = _folder, attrs = {"srcs": attr.label_list(allow_files = True)})
END
    cat > "$workspace/BUILD" << 'END'
load(":rules.bzl", "folder")

[genrule(
    name = "part%d" % number,
    srcs = ["input.txt"],
    outs = ["part%d.txt" % number],
    cmd = "for i in $$(seq 1 500); do echo %d $$i; done > $@; cat $(location input.txt) >> $@" % number,
) for number in range(20)]

# Larger than a batch, so that it goes as a stream.
genrule(
    name = "large",
    srcs = [],
    outs = ["large.txt"],
    cmd = "seq 1 800000 > $@",
)

folder(
    name = "folder",
    srcs = [":part3"],
)

genrule(
    name = "whole",
    srcs = [":part%d" % number for number in range(20)] + [":large", ":folder"],
    outs = ["whole.txt"],
    cmd = "for f in $(SRCS); do if [ -d $$f ]; then cat $$f/deep/er/copy; ls -l $$f | cut -c1-10 | sort; else cat $$f; fi; done > $@",
)
END
    build() {
        (cd "$workspace" && bazel --output_user_root="$work/bazel-root" --batch build --spawn_strategy=local \
            --noshow_progress --remote_cache="$url" --remote_header="authorization=Bearer let-me-in" "$@" //:whole) > "$work/bazel.log" 2>&1 || {
            cat "$work/bazel.log" >&2
            die "bazel does not build with our server"
        }
    }
    clean() {
        (cd "$workspace" && bazel --output_user_root="$work/bazel-root" --batch clean) > /dev/null 2>&1
    }
    hits() {
        sed -n 's/.*processes:.* \([0-9]*\) remote cache hit.*/\1/p' "$work/bazel.log"
    }

    echo let-me-in > "$work/token"
    serve --token-file "$work/token"
    build
    [ -z "$(hits)" ] || die "there were hits before anything was there"
    local before
    before=$(sha256sum < "$workspace/bazel-bin/whole.txt")
    for more in "" "--remote_download_toplevel"; do
        clean
        # What it knows must outlive it.
        kill "$server"
        wait "$server" || die "our server did not end well"
        serve --token-file "$work/token"
        # shellcheck disable=SC2086
        build $more
        [ "$(hits)" = 23 ] || { cat "$work/bazel.log" >&2; die "23 hits were expected"; }
        [ "$before" = "$(sha256sum < "$workspace/bazel-bin/whole.txt")" ] || die "what came back is something else"
    done
    # And without the token nothing comes.
    clean
    (cd "$workspace" && bazel --output_user_root="$work/bazel-root" --batch build --spawn_strategy=local --noshow_progress \
        --remote_cache="$url" //:whole) > "$work/bazel.log" 2>&1 || true
    [ -z "$(hits)" ] || die "somebody without a token got something"
    kill "$server"
    wait "$server" || die "our server did not end well"
    done_with+=("Bazel as a client of our server: 23 of 23 actions from the cache after \`clean\` and a restart, twice")
}

# our_client NAME URL OPTION…: what our client does with a server of somebody else.
our_client() {
    local name=$1 url=$2
    shift 2
    local tree=$work/tree-$name
    mkdir -p "$tree/many" "$tree/empty" "$tree/deep/er"
    for number in $(seq 300); do
        echo "$name $number" > "$tree/many/$number"
    done
    seq 1 600000 > "$tree/large"
    : > "$tree/nothing"
    printf '#!/bin/sh\n' > "$tree/deep/er/program"
    chmod +x "$tree/deep/er/program"
    ln -s ../large "$tree/deep/link"
    local digest
    digest=$("$DSCRIPT" cas put --remote "$url" "$@" --dir "$work/store-$name" "$tree")
    "$DSCRIPT" cas missing --remote "$url" "$@" "$digest"
    "$DSCRIPT" cas get --remote "$url" "$@" --dir "$work/empty-$name" "$digest" "$work/back-$name"
    diff -r "$tree" "$work/back-$name" || die "what comes back from $name is something else"
    [ -x "$work/back-$name/deep/er/program" ] || die "a program that comes back from $name cannot be executed"
    done_with+=("$name as a server of our client: a tree of 304 files up and down")
}

# our_tests NAME URL TARGET…: those of the tests that speak with a server of others, with this one.
our_tests() {
    local name=$1 url=$2 target passed=0
    shift 2
    for target in "$@"; do
        (cd "$root" && PEER=$url cargo test --quiet --test "$target" -- peer) > "$work/tests.log" 2>&1 || {
            cat "$work/tests.log" >&2
            die "the tests \`$target\` fail with $name"
        }
        count=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$work/tests.log")
        [ "${count:-0}" -gt 0 ] || die "no test of \`$target\` was run with $name"
        passed=$((passed + count))
    done
    done_with+=("$name as the server of $passed tests of $*")
}

casd() {
    local port
    port=$(free_port)
    "$root/tests/tools/casd.sh" "$port" "$work/casd" > "$work/casd.log" 2>&1 &
    running+=("$!")
    wait_for "$port" "$!" || { cat "$work/casd.log" >&2; die "buildbox-casd does not start"; }
    our_client buildbox-casd "grpc://127.0.0.1:$port"
    our_tests buildbox-casd "grpc://127.0.0.1:$port" remote remote_cache remote_execution
}

# nativelink PROGRAM: with two instances, and a worker that runs actions on this machine.
nativelink() {
    local port workers
    port=$(free_port)
    workers=$(free_port)
    python3 - "$work" "$port" "$workers" > "$work/nativelink.json" << 'END'
import json, sys

work, port, workers = sys.argv[1:]
files = lambda name: {"content_path": f"{work}/nativelink/{name}", "temp_path": f"{work}/nativelink/tmp-{name}"}
instances = lambda **fields: [{"instance_name": name, **fields} for name in ("", "main")]
listen = lambda port: {"http": {"socket_address": f"127.0.0.1:{port}"}}
stores = [
    # Workers link files from the fast one of two; what they keep is what the server has.
    {"name": "CAS", "fast_slow": {"fast": {"filesystem": files("cas")}, "slow": {"noop": {}}}},
    {"name": "AC", "filesystem": files("ac")},
]
services = {
    "cas": instances(cas_store="CAS"),
    "ac": instances(ac_store="AC"),
    "bytestream": instances(cas_store="CAS"),
    "capabilities": instances(remote_execution={"scheduler": "ALL"}),
    "execution": instances(cas_store="CAS", scheduler="ALL"),
}
worker = {
    "worker_api_endpoint": {"uri": f"grpc://127.0.0.1:{workers}"},
    "cas_fast_slow_store": "CAS",
    "upload_action_result": {"ac_store": "AC"},
    "work_directory": f"{work}/nativelink/work",
    "platform_properties": {},
}
print(json.dumps({
    "stores": stores,
    "schedulers": [{"name": "ALL", "simple": {}}],
    "workers": [{"local": worker}],
    "servers": [
        {"name": "public", "listener": listen(port), "services": services},
        {"name": "workers", "listener": listen(workers), "services": {"worker_api": {"scheduler": "ALL"}, "health": {}}},
    ],
}))
END
    "$1" "$work/nativelink.json" > "$work/nativelink.log" 2>&1 &
    running+=("$!")
    wait_for "$port" "$!" || { cat "$work/nativelink.log" >&2; die "NativeLink does not start"; }
    our_client NativeLink "grpc://127.0.0.1:$port" --instance main
    our_tests NativeLink "grpc://127.0.0.1:$port" remote remote_cache remote_execution
}

buildgrid() {
    local port
    port=$(free_port)
    mkdir -p "$work/buildgrid"
    cat > "$work/buildgrid.yml" << END
server:
  - !channel
    address: 127.0.0.1:$port
    insecure-mode: true
storages:
  - !disk-storage &storage
    path: $work/buildgrid/cas
caches:
  - !lru-action-cache &cache
    storage: *storage
    max-cached-refs: 1000
    cache-failed-actions: true
    allow-updates: true
instances:
  - name: ''
    services:
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
      - !action-cache
        cache: *cache
END
    "$1" server start "$work/buildgrid.yml" > "$work/buildgrid.log" 2>&1 &
    running+=("$!")
    wait_for "$port" "$!" || { cat "$work/buildgrid.log" >&2; die "BuildGrid does not start"; }
    our_client BuildGrid "grpc://127.0.0.1:$port"
    our_tests BuildGrid "grpc://127.0.0.1:$port" remote remote_cache
}

if command -v bazel > /dev/null; then
    bazel_as_client
else
    skipped+=("Bazel: there is no \`bazel\` on PATH (Debian: bazel-bootstrap)")
fi
if ! "$DSCRIPT" cas put --help > /dev/null 2>&1; then
    skipped+=("servers of others: this program has no \`cas put\`")
else
    if [ -n "${BUILDBOX:-}" ]; then
        casd
    else
        skipped+=("buildbox-casd: BUILDBOX does not name its folder")
    fi
    if program=${NATIVELINK:-$(type -P nativelink)}; then
        nativelink "$program"
    else
        skipped+=("NativeLink: there is no \`nativelink\` on PATH, and NATIVELINK does not name it")
    fi
    if program=${BUILDGRID:-$(type -P bgd)}; then
        buildgrid "$program"
    else
        skipped+=("BuildGrid: there is no \`bgd\` on PATH, and BUILDGRID does not name it")
    fi
fi
for line in "${done_with[@]}"; do
    echo "fine: $line"
done
for line in "${skipped[@]}"; do
    echo "skipped: $line"
done
