//! An embeddable interpreter for DScript, the build language of [BuildXL](https://github.com/microsoft/BuildXL): specs
//! go in, a validated *pip graph* comes out. A pip is one node of a build: a process to run, a file to copy or write, a
//! directory to seal. On Linux `engine::build` brings a graph about.
//!
//! This crate is the library behind the `dscript` command. A host program opens a [`Workspace`], from disk or from
//! memory, may give its specs functions of its own, evaluates it under one or several qualifiers, and walks the
//! [`PipGraph`]. Every mistake in the specs becomes a [`Diagnostic`]. No spec makes the library panic, print, or end
//! the process, and the graph is the same in every folder and with any number of threads.
//!
//! # A graph
//!
//! A workspace of one spec in memory, with a function of the host:
//!
//! ```
//! use dscript::{HostValue, Pip, Workspace};
//!
//! let mut workspace = Workspace::from_memory([(
//!     "hello.dsc",
//!     r#"
//!         import {Cmd, Transformer} from "Sdk.Transformers";
//!
//!         const out = Context.getNewOutputDirectory("hello");
//!         const greeting = Transformer.writeAllText(p`${out}/greeting.txt`, Host.greet("world"));
//!
//!         export const loud = Transformer.execute({
//!             tool: { exe: f`/usr/bin/tr` },
//!             arguments: [Cmd.args(["a-z", "A-Z"])],
//!             workingDirectory: d`.`,
//!             consoleInput: greeting,
//!             consoleOutput: p`${out}/loud.txt`,
//!         });
//!     "#,
//! )]);
//! workspace.register("Host.greet", 1, |arguments| match arguments {
//!     [HostValue::String(name)] => Ok(HostValue::String(format!("Hello, {name}!"))),
//!     _ => Err("a name is wanted".to_owned()),
//! })?;
//!
//! // No request means the default qualifier.
//! let evaluation = workspace.evaluate(&[]);
//! assert!(evaluation.diagnostics.is_empty());
//! let graph = evaluation.graph.expect("there is a graph where there is no error");
//!
//! // Pips, in the order to show them in. Each knows the spec, the line and the value that made it.
//! let [write, process] = graph.order() else { panic!("two pips were expected") };
//! assert_eq!(graph.pip(*write).kind_name(), "writeFile");
//! assert_eq!((&*graph.provenance(*process).value, graph.provenance(*process).line), ("loud", 7));
//!
//! // Dependencies: the process reads what the other pip writes.
//! assert_eq!(graph.dependencies(*process), [*write]);
//!
//! // Fields by kind, and outputs of any kind.
//! let Pip::Process(tr) = graph.pip(*process) else { panic!("a process was expected") };
//! assert_eq!(graph.display(tr.executable.path), "/usr/bin/tr");
//! assert_eq!(dscript::graph::export::arguments(&graph, &tr.arguments), ["a-z", "A-Z"]);
//! let output = graph.pip(*process).output_files().next().expect("it has an output");
//! assert!(graph.display(output.path).ends_with("/hello/loud.txt"));
//! assert_eq!(graph.producer(output), Some(*process));
//! # Ok::<(), dscript::HostFunctionError>(())
//! ```
//!
//! The whole graph as JSON, as a tree, or for Graphviz is written by [`graph::export`].
//!
//! # Mistakes
//!
//! Diagnostics are plain data; a [`Renderer`] writes them for people, as JSON lines or as SARIF:
//!
//! ```
//! use dscript::{Renderer, Workspace};
//!
//! let workspace = Workspace::from_memory([("build.dsc", "const answer = 42;\nexport const x = anwser;\n")]);
//! let evaluation = workspace.evaluate(&[]);
//! assert!(evaluation.has_errors() && evaluation.graph.is_none());
//!
//! let mut text = Vec::new();
//! let renderer = Renderer { base: workspace.folder(), ..Renderer::default() };
//! renderer.render(&evaluation.diagnostics, workspace.files(), &mut text)?;
//! assert_eq!(
//!     String::from_utf8_lossy(&text),
//!     "\
//! error[DX9226]: there is no `anwser` in scope
//!    ╭─[ build.dsc:2:18 ]
//!    │
//!  2 │ export const x = anwser;
//!    │                  ┬─────
//!    │                  ╰─────── not found
//! ───╯
//!    help: did you mean `answer`?
//!
//! ",
//! );
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # From disk
//!
//! ```no_run
//! use dscript::{OpenOptions, QualifierRequest, Workspace};
//!
//! let workspace = Workspace::open("my-workspace", OpenOptions::default())?;
//! let evaluation = workspace.evaluate(&["debug".into(), QualifierRequest::from("configuration=release")]);
//! # Ok::<(), dscript::OpenError>(())
//! ```
//!
//! [`OpenOptions`] decides where files and environment variables come from, which SDK is used, and how many threads
//! work. `examples/embed.rs` is a whole host program.
//!
//! # Where things are
//!
//! The modules stand in the order in which a spec goes through them; each uses only those before it.
//!
//! | module | what it gives |
//! |---|---|
//! | [`source`] | files, places in them, and the file system and environment that specs see |
//! | [`diagnostics`] | what users are told: codes, the catalogue behind `dscript explain`, renderers |
//! | [`paths`] | interned paths |
//! | [`syntax`] | text to syntax tree, and back |
//! | [`program`] | modules, specs and declarations as plain data |
//! | [`resolve`] | names bound, code lowered |
//! | [`check`] | rules of the language beyond its grammar |
//! | [`graph`] | pips, the builder with its rules, the finished graph, exports |
//! | [`eval`] | values and the interpreter |
//! | [`builtins`] | the functions that the prelude declares |
//! | [`workspace`] | all of this in order, from a folder to a graph |
//! | [`testing`] | unit tests written in DScript |
//! | `cas` | digests, and a store of contents (feature `build`, Linux) |
//! | `engine` | running a graph, with every file access observed, and the cache (feature `build`, Linux) |
//!
//! # Features
//!
//! `cli` (on by default) is the command line and what only it needs. Host programs can leave it out with
//! `default-features = false`, and choose `build` to run graphs. A host that does calls
//! `engine::sandbox::serve_if_asked` first thing in `main`: the processes that watch pips are the host program itself,
//! started again.

pub mod builtins;
#[cfg(feature = "build")]
pub mod cas;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod diagnostics;
#[cfg(all(feature = "build", target_os = "linux"))]
pub mod engine;
pub mod eval;
pub mod graph;
pub mod paths;
pub mod program;
pub mod resolve;
pub mod source;
pub mod syntax;
pub mod testing;
pub mod workspace;

pub use diagnostics::render::Renderer;
pub use diagnostics::{Code, Diagnostic, Severity};
pub use graph::{Pip, PipGraph, PipId};
pub use workspace::{Evaluation, HostFunctionError, HostValue, OpenError, OpenOptions, QualifierRequest, Workspace};

/// The Rust code of the README is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
