//! Messages to services: `Transformer.ipcSend`, and the monikers that name the channels.

use crate::builtins::context::{own_output_directory, unique_digest};
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Event, Machine, PipHandle, Raised, Request, RequestKind, Value};
use crate::graph::{DirectoryId, FileArtifact, IpcPip};
use crate::source::Symbol;

use super::arguments::CommandLine;
use super::artifacts::Artifacts;
use super::fields::{Fields, Spot};
use super::process::read_inputs;
use super::service::service_of;

/// The moniker of the engine itself. Those of `getNewIpcMoniker` consist of hexadecimal digits.
const ENGINE: &str = "engine";

/// What a message is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client says something to a service.
    Client,
    /// It is sent before a service ends.
    Finalization,
    /// It ends a service.
    Shutdown,
}

/// `getNewIpcMoniker()`: the same in every build, and different at every call.
pub(super) fn get_new_ipc_moniker<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let digest = unique_digest(m, args, "moniker", "", 8)?;
    Ok(Value::IpcMoniker(m.symbols().intern(&digest.to_uppercase())))
}

/// `getIpcServerMoniker()`
pub(super) fn get_ipc_server_moniker<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::IpcMoniker(m.symbols().intern(ENGINE)))
}

/// `ipcSend(arguments)`
pub(super) fn ipc_send<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let fields = Fields::of_argument(m, args, 0, "`Transformer.ipcSend`")?;
    let location = m.call_in_spec(args.site.location());
    let fields = fields.placed(location);
    let (_, output) = send(m, args, &fields, Purpose::Client)?;
    Ok(m.object_of(&[("outputFile", Value::File(output))]))
}

/// Asks for the message that an argument object describes. Gives the message and the file with its answer.
pub(super) fn send<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    fields: &Fields<'_, 'h>,
    purpose: Purpose,
) -> Result<(PipHandle, FileArtifact), Raised> {
    let location = fields.place;
    let moniker = moniker(m, fields)?;
    let services = match fields.get("targetService") {
        // The service that is to end needs no name: it is the one that is being made.
        Value::Undefined if purpose != Purpose::Client => Box::default(),
        service => Box::new([service_of(m, fields, Spot::field("targetService"), service)?]) as Box<[_]>,
    };

    let body = fields.get("messageBody");
    if body.is_undefined() {
        return Err(fields.wrong(m, "messageBody", "an array of arguments", body));
    }
    let mut artifacts = Artifacts::default();
    let message = CommandLine::read(m, &mut artifacts, fields, "messageBody")?.finish_message(m);
    if !artifacts.outputs.is_empty() || !artifacts.directories.is_empty() {
        let error = "a message makes nothing but the file with its answer, but its body names an output";
        let error = Diagnostic::error(Code::Dx(9357), error).at(fields.spot(m, Spot::field("messageBody"), body), "");
        return Err(m.fail(error.help("write `Artifact.none(…)` to send only the path")));
    }
    read_inputs(m, fields, "fileDependencies", &mut artifacts)?;

    let output = match fields.path(m, "outputFile")? {
        Some(path) => path,
        None => {
            let folder = own_output_directory(m, args, "ipc")?;
            m.paths().child_named(folder, "results.txt")
        }
    };
    let output = FileArtifact::output(output);
    let (lazy_files, lazy_directories) = lazily_materialized(m, fields)?;
    // The second name is the old one of the first.
    let on_orchestrator = fields.flag(m, "mustRunOnOrchestrator")? | fields.flag(m, "mustRunOnMaster")?;
    let ipc = IpcPip {
        moniker,
        message,
        output,
        inputs: artifacts.inputs.into(),
        directory_inputs: artifacts.directory_inputs.into(),
        services,
        lazily_materialized: lazy_files.into(),
        lazily_materialized_directories: lazy_directories.into(),
        max_connect_retries: fields.count(m, "maxConnectRetries")?,
        connect_retry_delay: fields.count(m, "connectRetryDelayMillis")?,
        is_service_finalization: purpose == Purpose::Finalization,
        is_service_shutdown: purpose == Purpose::Shutdown,
        must_run_on_orchestrator: on_orchestrator,
        tags: fields.symbols(m, "tags")?,
        description: None,
    };
    let pip = m.new_pip();
    m.emit(Event::Made(Box::new(Request { location, kind: RequestKind::Ipc(ipc, pip) })));
    Ok((pip, output))
}

/// The field `moniker`, which must be given.
pub(super) fn moniker<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>) -> Result<Symbol, Raised> {
    match fields.get("moniker") {
        Value::IpcMoniker(name) => Ok(name),
        other => Err(fields.wrong(m, "moniker", "what `Transformer.getNewIpcMoniker()` gives", other)),
    }
}

type Inputs = (Vec<FileArtifact>, Vec<DirectoryId>);

fn lazily_materialized<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>) -> Result<Inputs, Raised> {
    let name = "lazilyMaterializedDependencies";
    let (mut files, mut directories) = Inputs::default();
    let values = fields.array(m, name)?.iter().enumerate();
    for (index, value) in values.filter(|(_, value)| !value.is_undefined()) {
        match value {
            Value::File(file) => files.push(*file),
            Value::StaticDirectory(directory) => directories.push(DirectoryId(directory.seal.0)),
            other => {
                let expected = "an array of files and sealed directories";
                return Err(fields.wrong_at(m, Spot::item(name, index), expected, *other));
            }
        }
    }
    Ok((files, directories))
}
