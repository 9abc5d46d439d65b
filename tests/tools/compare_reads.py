#!/usr/bin/env python3
"""Compares what a build says that its processes read with what strace saw in the same build.

    strace -f -y -s 4096 -o TRACE dscript build -j1 --no-cache --log LOG WORKSPACE
    compare_reads.py TRACE LOG WORKSPACE

With one job at a time the processes of the log come in the order in which strace saw their first programs. For each of
them the paths below the workspace are compared, both ways: what was found (opened, looked at, listed, executed), and
what was looked for and not there. A difference that is meant to be is counted under its reason; any other is shown, and
the exit code is 1.
"""

import collections
import json
import os
import re
import sys

# Calls whose first argument is a path, and calls that have a folder before it.
PLAIN = {"open", "creat", "stat", "lstat", "access", "readlink", "execve", "chdir", "mkdir", "rmdir", "unlink", "statfs",
         "truncate", "chmod", "chown", "utime", "utimes"}
AT = {"openat", "openat2", "newfstatat", "statx", "faccessat", "faccessat2", "readlinkat", "execveat", "mkdirat",
      "unlinkat", "utimensat", "fchmodat", "fchownat"}
MAKING = {"mkdir", "mkdirat", "creat"}
REMOVING = {"unlink", "unlinkat", "rmdir"}
WRITING = {"truncate", "chmod", "chown", "utime", "utimes", "utimensat", "fchmodat", "fchownat"}
MOVING = {"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}
FORKING = {"clone", "clone3", "fork", "vfork"}

LINE = re.compile(r"^(\d+)\s+(.*)$")
CALL = re.compile(r"^(\w+)\((.*)$", re.S)
RESULT = re.compile(r"^(.*)\)\s+= (-?\d+|\?)(.*)$", re.S)
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
FOLDER = re.compile(r"^\s*(?:AT_FDCWD|\d+)(?:<([^>]*)>)?")


def unescaped(text):
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


def calls(path):
    """The finished calls of a trace: process, name, arguments, result and what stands after it."""
    halves = {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            process, text = int(found[1]), found[2]
            if text.endswith("<unfinished ...>"):
                halves[process] = text[: -len("<unfinished ...>")].rstrip()
                # A process exists as soon as its parent has begun to make it.
                yield process, "", "", None, ""
                continue
            resumed = re.match(r"^<\.\.\. \w+ resumed>(.*)$", text)
            if resumed:
                text = halves.pop(process, "") + resumed[1]
            call = CALL.match(text)
            result = call and RESULT.match(call[2])
            if result and result[2] != "?":
                yield process, call[1], result[1], int(result[2]), result[3]
            else:
                yield process, "", "", None, ""


class Root:
    """A process of the graph with all its children."""

    def __init__(self, program):
        self.program = program
        self.found = set()
        self.absent = set()
        self.made = set()


def traced(path, program):
    """What strace saw, for each process of the graph."""
    everything = list(calls(path))
    parents = {}
    for process, name, _, result, _ in everything:
        if name in FORKING and result and result > 0:
            parents.setdefault(result, process)
    cwd, roots, order = {}, {}, []

    def folder_of(process):
        if process not in cwd:
            cwd[process] = folder_of(parents[process]) if process in parents else os.getcwd()
        return cwd[process]

    def root_of(process):
        while process is not None:
            if process in roots:
                return roots[process]
            process = parents.get(process)
        return None

    for process, name, arguments, result, rest in everything:
        folder = folder_of(process)
        if name in ("execve", "execveat") and result == 0:
            started = TEXT.search(arguments)
            started = unescaped(started[1]) if started else "/proc/self/exe"
            is_own = started == "/proc/self/exe" or os.path.realpath(os.path.join(folder, started)) == program
            if not is_own and root_of(process) is None:
                roots[process] = Root(os.path.join(folder, started))
                order.append(roots[process])
        if name == "fchdir" and result == 0:
            at = FOLDER.match(arguments)
            if at and at[1]:
                cwd[process] = at[1]
        root = root_of(process)
        texts = [unescaped(text) for text in TEXT.findall(arguments)]
        if root is None:
            if name == "chdir" and result == 0:
                cwd[process] = os.path.join(folder, texts[0])
            continue
        if name in MOVING and result == 0 and len(texts) == 2:
            places = re.findall(r"(?:AT_FDCWD|\d+)<([^>]*)>", arguments) or [folder, folder]
            new = resolved(os.path.join(places[-1], texts[1]))
            root.made.add(new)
            if name.startswith(("rename", "link")):
                old = resolved(os.path.join(places[0], texts[0]))
                if old not in root.made:
                    root.found.add(old)
            continue
        if name == "getdents64":
            at = FOLDER.match(arguments)
            if at and at[1] and result is not None and result >= 0:
                root.found.add(resolved(at[1]))
            continue
        if name in PLAIN and texts:
            target = os.path.join(folder, texts[0])
        elif name in AT and texts:
            if texts[0] == "":
                # The call is about the descriptor, whose path was opened before.
                continue
            at = FOLDER.match(arguments)
            if at and at[1] and arguments.startswith("AT_FDCWD"):
                folder = cwd[process] = at[1]
            target = os.path.join(at[1] if at and at[1] else folder, texts[0])
        else:
            continue
        # This program's own `/proc/self` is another one.
        target = re.sub("^/proc/self/cwd", lambda _: folder, target)
        path = resolved(target)
        if result is not None and result < 0:
            if "ENOENT" in rest or "ENOTDIR" in rest:
                if path not in root.made:
                    root.absent.add(path)
            elif "EEXIST" in rest:
                root.found.add(path)
            continue
        if name == "chdir":
            cwd[process] = target
        creates = name in MAKING or "O_CREAT" in arguments or "O_TRUNC" in arguments
        only_writes = "O_WRONLY" in arguments
        if creates or only_writes or name in REMOVING or name in WRITING:
            root.made.add(path)
        elif path not in root.made:
            root.found.add(path)
    return order


def resolved(path):
    """A path without links in its folders; the last name stays what it is."""
    path = os.path.normpath(path) if ".." not in path.split("/") else path
    folder, name = os.path.split(path.rstrip("/") or "/")
    if name in (".", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(folder), name)


def main(trace, log, workspace):
    workspace = os.path.realpath(workspace)
    program = os.path.realpath(os.environ["DSCRIPT"])
    with open(log, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    pips = [event for event in events if event["event"] == "pip" and event["kind"] == "process"]
    roots = traced(trace, program)
    if len(pips) != len(roots):
        sys.exit(f"the log has {len(pips)} processes, strace saw {len(roots)}: {[root.program for root in roots]}")

    def below(path):
        return path == workspace or path.startswith(workspace + "/")

    explained = collections.Counter()
    same = collections.Counter()
    differences = []
    for pip, root in zip(pips, roots):
        started = os.path.basename(root.program)
        if started not in pip["command"].split(" ")[0]:
            sys.exit(f"`{started}` is not the program of `{pip['command']}`")
        own = {os.path.join(workspace, output["path"]) for output in pip["outputs"]} | root.made
        logged = {os.path.normpath(os.path.join(workspace, read["path"])): set(read["how"]) for read in pip["reads"]}
        log_found = {path for path, how in logged.items() if how - {"absent"} and below(path)}
        log_absent = {path for path, how in logged.items() if "absent" in how and below(path)}

        used = root.found | root.absent | root.made

        def reason(path, side, kind):
            inside = os.path.relpath(path, workspace)
            if inside.startswith(".dscript"):
                return "the build's own folder"
            if side == "strace" and inside.startswith("Out/Temp/"):
                return "temporary files, which are not judged"
            if side == "strace" and path in own:
                return "what the process made itself"
            if side == "strace" and any(made.startswith(path + "/") for made in own) and kind == "found":
                return "folders of what the process made itself"
            if side == "log" and logged[path] == {"directory"} and any(it.startswith(path + "/") for it in used):
                return "folders on the way to what was used"
            if side == "log" and kind == "found" and os.path.islink(path):
                return "links that a path leads through, which strace does not show"
            if side == "log" and kind == "found" and path == resolved(root.program):
                return "the program itself"
            return None

        for kind, seen, said in [("found", root.found, log_found), ("absent", root.absent, log_absent)]:
            seen = {path for path in seen if below(path)}
            same[kind] += len(seen & said)
            for side, paths in [("strace", seen - said), ("log", said - seen)]:
                for path in sorted(paths):
                    why = reason(path, side, kind)
                    if why:
                        explained[f"{kind}, only {side}: {why}"] += 1
                    else:
                        what = f"{pip['description']}: only {side} {kind}: {os.path.relpath(path, workspace)}"
                        differences.append(what)
    print(f"{len(pips)} processes; the same in both: {same['found']} paths found, {same['absent']} looked for in vain")
    for why, count in sorted(explained.items()):
        print(f"  {count:5} {why}")
    for difference in differences:
        print(f"  DIFFERENCE {difference}")
    return 1 if differences or not same["found"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or "DSCRIPT" not in os.environ:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
