//! A workspace of any size, made the same way every time: modules in a chain, each spec with pips that fill shared
//! opaque directories and consume those of the module before.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// How large the workspace is.
#[derive(Clone, Copy)]
pub struct Size {
    /// Modules of the build.
    pub modules: usize,
    /// Specs of each module.
    pub specs: usize,
    /// Process pips of each spec.
    pub pips: usize,
}

impl Size {
    /// Process pips of the whole workspace.
    pub fn processes(self) -> usize {
        self.modules * self.specs * self.pips
    }
}

/// Writes the workspace into an empty folder.
pub fn generate(folder: &Path, size: Size) -> io::Result<()> {
    let modules: Vec<String> = (0..size.modules).map(|module| format!("f`m{module}/module.config.dsc`")).collect();
    let config = format!(
        "config({{\n    resolvers: [\n        {{kind: \"DScript\", modules: [f`sdk/module.config.dsc`, {}]}},\n    ],\n}});\n",
        modules.join(", ")
    );
    fs::write(folder.join("config.dsc"), config)?;
    fs::create_dir(folder.join("sdk"))?;
    fs::write(folder.join("sdk/module.config.dsc"), "module({name: \"Bench.Sdk\"});\n")?;
    fs::write(folder.join("sdk/compile.dsc"), SDK)?;
    for module in 0..size.modules {
        let path = folder.join(format!("m{module}"));
        fs::create_dir(&path)?;
        fs::write(path.join("module.config.dsc"), format!("module({{name: \"M{module}\"}});\n"))?;
        for spec in 0..size.specs {
            fs::write(path.join(format!("s{spec}.dsc")), spec_text(module, spec, size.pips))?;
        }
    }
    Ok(())
}

const SDK: &str = r#"import {Artifact, Cmd, Transformer} from "Sdk.Transformers";

/** The compiler of the benchmark. */
const tool: Transformer.ToolDefinition = {
    exe: f`/bin/sh`,
    dependsOnCurrentHostOSDirectories: true,
};

/** What `compile` needs. */
@@public
export interface Arguments {
    name: string;
    source: File;
    output: Directory;
    references?: StaticDirectory[];
}

/** Compiles one source into a directory that several compilations share. */
@@public
export function compile(args: Arguments): StaticDirectory {
    const result = Transformer.execute({
        tool: tool,
        description: `compile ${args.name}`,
        workingDirectory: d`.`,
        arguments: [
            Cmd.option("--source ", Artifact.input(args.source)),
            Cmd.option("--out ", Artifact.sharedOpaqueOutput(args.output)),
            Cmd.options("--reference ", (args.references || []).map(r => Artifact.input(r))),
            Cmd.flag("--quiet", true),
        ],
    });
    return result.getOutputDirectory(args.output);
}
"#;

fn spec_text(module: usize, spec: usize, pips: usize) -> String {
    let mut text =
        String::from("// The sources of one component: each is compiled into the directory of the component.\n");
    text.push_str("import * as Sdk from \"Bench.Sdk\";\n\n");
    let _ = writeln!(text, "namespace S{spec} {{");
    text.push_str("    const out = Context.getNewOutputDirectory(\"objects\");\n\n");
    for pip in 0..pips {
        let reference = match (module, pip) {
            (0, 0) => String::new(),
            (_, 0) => format!("\n        references: [importFrom(\"M{}\").S{spec}.p{}],", module - 1, pips - 1),
            _ => format!("\n        references: [p{}],", pip - 1),
        };
        let _ = writeln!(text, "    /** Source number {pip}. */");
        text.push_str("    @@public\n");
        let _ = writeln!(
            text,
            "    export const p{pip} = Sdk.compile({{\n        name: \"m{module}-s{spec}-{pip}\",\n        source: f`src/file{spec}_{pip}.c`,\n        output: out,{reference}\n    }});\n"
        );
    }
    text.push_str("}\n");
    text
}
