//! A host program: a small tool that embeds the interpreter, gives its specs a function, and reports what a build
//! would make.
//!
//! ```sh
//! cargo run --example embed                         # a workspace in memory
//! cargo run --example embed -- examples/c-program   # a workspace on disk
//! cargo run --example embed -- examples/c-program debug release
//! ```

use std::error::Error;
use std::process::ExitCode;

use dscript::graph::export;
use dscript::{HostValue, OpenOptions, Pip, PipGraph, QualifierRequest, Renderer, Workspace};

/// The workspace in memory. `Host.releaseNotes` and `Host.version` are functions of this program.
const SPEC: &str = r#"
import {Artifact, Cmd, Transformer} from "Sdk.Transformers";

const out = Context.getNewOutputDirectory("package");

const notes = Transformer.writeAllLines(p`${out}/notes.txt`, Host.releaseNotes(Host.version()));

@@public
export const archive = Transformer.execute({
    tool: { exe: f`/usr/bin/tar`, dependsOnCurrentHostOSDirectories: true },
    description: `Pack version ${Host.version()}`,
    arguments: [
        Cmd.argument("-cf"),
        Cmd.argument(Artifact.output(p`${out}/package.tar`)),
        Cmd.argument(Artifact.input(notes)),
    ],
    workingDirectory: d`.`,
});
"#;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);

    // From disk: a folder with a config.dsc, that file, or a single spec. From memory: pairs of a path and a text.
    let mut workspace = match arguments.next() {
        Some(path) => Workspace::open(path, OpenOptions::default())?,
        None => Workspace::from_memory([("package.dsc", SPEC)]),
    };

    // Functions of the host get plain data and give plain data. They must depend on nothing but their arguments, or
    // on what stays the same as long as the workspace is open: each call is evaluated whenever its value is wanted.
    workspace.register("Host.version", 0, |_| Ok(HostValue::String(env!("CARGO_PKG_VERSION").to_owned())))?;
    workspace.register("Host.releaseNotes", 1, |arguments| match arguments {
        [HostValue::String(version)] => {
            let lines = [format!("Version {version}"), "First release.".to_owned()];
            Ok(HostValue::Array(lines.map(HostValue::String).into()))
        }
        // The diagnostic points at the call in the spec.
        _ => Err("the version must be a string".to_owned()),
    })?;

    // Each argument is a qualifier, as after `-q` on the command line; none means the default one.
    let qualifiers: Vec<QualifierRequest> = arguments.map(QualifierRequest::Expression).collect();
    let evaluation = workspace.evaluate(&qualifiers);

    // Diagnostics are data: this program shows them as text, relative to the workspace.
    let renderer = Renderer { base: workspace.folder(), ..Renderer::default() };
    renderer.render(&evaluation.diagnostics, workspace.files(), &mut std::io::stderr())?;
    match &evaluation.graph {
        Some(graph) if !evaluation.has_errors() => report(graph),
        _ => return Ok(ExitCode::FAILURE),
    }
    Ok(ExitCode::SUCCESS)
}

/// One paragraph for each pip, in the order of the specs.
#[expect(clippy::print_stdout, reason = "this program is asked for a report")]
fn report(graph: &PipGraph) {
    for id in graph.order() {
        let (pip, made) = (graph.pip(*id), graph.provenance(*id));
        println!("{} {} ({}:{})", pip.kind_name(), made.value, graph.display(made.spec), made.line);

        // What it waits for: every edge is there because one pip uses what another one makes.
        for dependency in graph.dependencies(*id) {
            println!("    after   {} {}", graph.pip(*dependency).kind_name(), graph.provenance(*dependency).value);
        }

        // What is special to one kind stands in its variant.
        match pip {
            Pip::Process(process) => {
                let mut words = vec![graph.display(process.executable.path)];
                words.extend(export::arguments(graph, &process.arguments));
                println!("    runs    {}", words.join(" "));
                for output in &process.output_directories {
                    println!("    fills   {}/ ({})", graph.display(output.path), output.kind.name());
                }
            }
            Pip::SealDirectory(seal) => {
                println!("    seals   {}/", graph.display(graph.directory(seal.directory).root))
            }
            Pip::CopyFile(copy) => println!("    copies  {}", graph.display(copy.source.path)),
            Pip::WriteFile(_) | Pip::Ipc(_) => {}
        }

        // Files have versions: a pip may rewrite what another one made.
        for file in pip.output_files() {
            println!("    makes   {}", graph.display(file.path));
        }
    }
    println!("{} pips", graph.len());
}
