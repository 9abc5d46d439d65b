#!/usr/bin/env python3
"""Builds with dscript beside ninja: the same graph of touch-sized pips, and C compilations with and without observation.

    cargo build --release
    python3 -m venv /tmp/bench && /tmp/bench/bin/pip install ninja==1.13.0
    PATH=/tmp/bench/bin:$PATH benches/build/measure.py target/release/dscript

Prints ratios of medians; the two sides of each ratio take turns in one run. `--pips` and `--rounds` make it shorter.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SPECS = 100

CONFIG = 'config({ resolvers: [{ kind: "DScript", modules: [f`module.config.dsc`] }] });\n'
MODULE = 'module({ name: "Bench", nameResolutionSemantics: NameResolutionSemantics.implicitProjectReferences });\n'

SPEC = """import {{Artifact, Cmd, Transformer}} from "Sdk.Transformers";

const touch: Transformer.ToolDefinition = {{ exe: f`/usr/bin/touch`, dependsOnCurrentHostOSDirectories: true }};

const out = Context.getNewOutputDirectory("out");

export const all{spec} = Array.range(1, {count}).map(number => Transformer.execute({{
    tool: touch,
    arguments: [Cmd.argument(Artifact.output(p`${{out}}/${{number.toString()}}`))],
    dependencies: [f`input.txt`],
    workingDirectory: d`.`,
}}));
"""


def touches(folder: pathlib.Path, pips: int) -> None:
    """A workspace and a ninja file with the same graph."""
    folder.mkdir()
    (folder / "config.dsc").write_text(CONFIG)
    (folder / "module.config.dsc").write_text(MODULE)
    (folder / "input.txt").write_text("input\n")
    each = pips // SPECS
    for spec in range(SPECS):
        (folder / f"spec{spec}.dsc").write_text(SPEC.format(spec=spec, count=each))
    lines = ["rule touch", "  command = touch $out"]
    for spec in range(SPECS):
        lines += [f"build ninja-out/{spec}/{number}: touch input.txt" for number in range(1, each + 1)]
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")


def clean(folder: pathlib.Path) -> None:
    for name in ("Out", ".dscript", "ninja-out", ".ninja_log", ".ninja_deps"):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def timed(command: list[str], folder: pathlib.Path) -> tuple[float, int]:
    """Seconds, and the most memory in kilobytes of the process or one of its children."""
    start = time.perf_counter()
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(command, cwd=folder, stdout=null, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')[-2000:]}")
    return seconds, usage.ru_maxrss


def row(name: str, ours: list[float], other: list[float], versus: str) -> None:
    mine, theirs = statistics.median(ours), statistics.median(other)
    print(f"| {name} | {mine * 1000:,.0f} ms | {theirs * 1000:,.0f} ms ({versus}) | {mine / theirs:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--pips", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--full-rounds", type=int, default=1)
    parser.add_argument("--compile-rounds", type=int, default=5)
    parser.add_argument("--only", choices=["null", "full", "compile", "memory"], action="append")
    arguments = parser.parse_args()
    only = arguments.only or ["null", "full", "compile", "memory"]
    program = str(arguments.program.resolve())
    jobs = str(os.cpu_count())
    with tempfile.TemporaryDirectory() as temporary:
        base = pathlib.Path(temporary)
        print("| what | dscript | beside | ratio |\n|---|---:|---:|---:|")
        folder = base / "touches"
        touches(folder, arguments.pips)
        build = [program, "build", "--quiet", f"-j{jobs}"]
        ninja = ["ninja", "--quiet", f"-j{jobs}"]
        if "full" in only:
            ours, bare, other = [], [], []
            for _ in range(arguments.full_rounds):
                clean(folder)
                bare.append(timed([*build, "--sandbox", "none"], folder)[0])
                other.append(timed(ninja, folder)[0])
                clean(folder)
                ours.append(timed(build, folder)[0])
            row(f"full build, {arguments.pips:,} touches, not observed", bare, other, "ninja")
            row(f"full build, {arguments.pips:,} touches, observed", ours, other, "ninja")
        if "null" in only:
            for _ in range(3):
                timed(build, folder)
            timed(ninja, folder)
            ours, other = [], []
            for _ in range(arguments.rounds):
                ours.append(timed(build, folder)[0])
                other.append(timed(ninja, folder)[0])
            row(f"null build, {arguments.pips:,} touches", ours, other, "ninja")
        if "compile" in only:
            for name, count, lines, flags in [("40 tiny compilations", 40, 1, "-O0"), ("8 real ones, -O2", 8, 1500, "-O2")]:
                folder = base / name.replace(" ", "-").replace(",", "")
                compilations(folder, count, lines, flags)
                ours, other = [], []
                for _ in range(arguments.compile_rounds):
                    clean(folder)
                    ours.append(timed([*build, "--no-cache"], folder)[0])
                    clean(folder)
                    other.append(timed([*build, "--no-cache", "--sandbox", "none"], folder)[0])
                row(name, ours, other, "not observed")
        if "memory" in only:
            folder = base / "many"
            touches(folder, 100_000)
            command = [program, "build", "--quiet", "--sandbox", "none", f"-j{jobs}"]
            _, first = timed(command, folder)
            null, idle = timed(command, folder)
            spec = folder / "spec0.dsc"
            spec.write_text(spec.read_text() + "// changed\n")
            again, peak = timed(command, folder)
            print("\n100,000 process pips, peak memory of the build:")
            print(f"first build {first / 1024:.0f} MB; null build {idle / 1024:.0f} MB, {null:.2f} s; ", end="")
            print(f"after a spec was touched {peak / 1024:.0f} MB, {again:.2f} s")


def compilations(folder: pathlib.Path, count: int, functions: int, flags: str) -> None:
    """C files that are compiled one by one."""
    folder.mkdir()
    (folder / "config.dsc").write_text(CONFIG)
    (folder / "module.config.dsc").write_text(MODULE)
    for number in range(count):
        body = "".join(
            f"int f{at}(int *a, int n) {{ int s = {at}; for (int i = 0; i < n; i++) s += a[i] * (i ^ {at}); return s; }}\n"
            for at in range(functions)
        )
        (folder / f"file{number}.c").write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" + body)
    (folder / "all.dsc").write_text(
        'import {Artifact, Cmd, Transformer} from "Sdk.Transformers";\n'
        "const cc: Transformer.ToolDefinition = { exe: f`/usr/bin/gcc`, dependsOnCurrentHostOSDirectories: true };\n"
        'const out = Context.getNewOutputDirectory("objects");\n'
        'export const objects = glob(d`.`, "*.c").map(source => Transformer.execute({\n'
        "    tool: cc,\n"
        f'    arguments: [Cmd.argument("{flags}"), Cmd.argument("-c"), Cmd.argument(Artifact.input(source)),\n'
        '        Cmd.option("-o ", Artifact.output(p`${out}/${source.name.changeExtension(".o")}`))],\n'
        '    environmentVariables: [{ name: "PATH", value: "/usr/bin:/bin" }],\n'
        '    tempDirectory: Context.getTempDirectory("t"),\n'
        "    workingDirectory: d`.`,\n"
        "}));\n"
    )


if __name__ == "__main__":
    main()
