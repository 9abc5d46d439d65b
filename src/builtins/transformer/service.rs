//! Services: `Transformer.createService`, and what makes a process the client of one.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Raised, Value};
use crate::graph::{PermissionDelegation, PipId, ProcessPip, ServiceKind, ServiceOptions};

use super::fields::{Fields, Spot};
use super::ipc::{self, Purpose};
use super::process;

/// `createService(arguments)`: the pips that end the service, and the process that is the service.
pub(super) fn create_service<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let fields = Fields::of_argument(m, args, 0, "`Transformer.createService`")?;
    let location = m.call_in_spec(args.site.location());
    let fields = fields.placed(location);
    let (mut process, artifacts) = process::read(m, args, &fields)?;

    let moniker = ipc::moniker(m, &fields)?;
    let trackable_tag = match (fields.symbol(m, TAG)?, fields.symbol(m, TAG_NAME)?) {
        (None, None) => None,
        (Some(tag), Some(name)) => Some((tag, name)),
        (tag, _) => {
            let (given, missing) = if tag.is_some() { (TAG, TAG_NAME) } else { (TAG_NAME, TAG) };
            let message = format!("`{given}` of a service needs `{missing}` beside it");
            return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(location, "")));
        }
    };
    let shutdown = fields.get("serviceShutdownCmd");
    if shutdown.is_undefined() {
        let expected = "the arguments of `Transformer.execute` or `Transformer.ipcSend`";
        return Err(fields.wrong(m, "serviceShutdownCmd", expected, shutdown));
    }
    let spot = Spot::field("serviceShutdownCmd");
    let shutdown = command(m, args, &fields, spot, shutdown, Purpose::Shutdown)?;
    let mut finalization = Vec::new();
    let commands = fields.array(m, "serviceFinalizationCmds")?.iter().enumerate();
    for (index, value) in commands.filter(|(_, value)| !value.is_undefined()) {
        let spot = Spot::item("serviceFinalizationCmds", index);
        finalization.push(command(m, args, &fields, spot, *value, Purpose::Finalization)?);
    }
    process.rare_mut().service = ServiceOptions {
        kind: ServiceKind::Service,
        shutdown: Some(shutdown),
        finalization: finalization.into(),
        trackable_tag,
        moniker: Some(moniker),
        ..ServiceOptions::default()
    };
    Ok(Value::ExecuteResult(process::schedule(m, process, artifacts, location)))
}

const TAG: &str = "serviceTrackableTag";
const TAG_NAME: &str = "serviceTrackableTagDisplayName";

/// Asks for a pip that ends a service: a process when it names a tool, a message when it names a moniker.
fn command<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    service: &Fields<'_, 'h>,
    spot: Spot,
    value: Value<'h>,
    purpose: Purpose,
) -> Result<PipId, Raised> {
    let owner = match purpose {
        Purpose::Finalization => "an entry of `serviceFinalizationCmds`",
        Purpose::Shutdown | Purpose::Client => "`serviceShutdownCmd`",
    };
    let fields = service.inner(m, spot, value, owner)?;
    match (fields.has("tool"), fields.has("moniker")) {
        (true, false) => {
            let (mut process, artifacts) = process::read(m, args, &fields)?;
            read_client(m, &fields, &mut process)?;
            let finalizes = purpose == Purpose::Finalization;
            process.rare_mut().service.kind = if finalizes { ServiceKind::Finalization } else { ServiceKind::Shutdown };
            Ok(PipId(process::schedule(m, process, artifacts, fields.place).pip.0))
        }
        (false, true) => Ok(PipId(ipc::send(m, args, &fields, purpose)?.0.0)),
        (both, _) => {
            let found = if both { "both" } else { "neither" };
            let message = format!("{owner} needs either `tool` or `moniker`, but it has {found}");
            let error = Diagnostic::error(Code::Dx(9357), message).at(fields.whole(m), "");
            Err(m.fail(error.help("give it the arguments of `Transformer.execute`, or those of `Transformer.ipcSend`")))
        }
    }
}

/// What makes a process the client of services.
pub(super) fn read_client<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    process: &mut ProcessPip,
) -> Result<(), Raised> {
    let name = "servicePipDependencies";
    let mut dependencies = Vec::new();
    let services = fields.array(m, name)?.iter().enumerate();
    for (index, value) in services.filter(|(_, value)| !value.is_undefined()) {
        let service = service_of(m, fields, Spot::item(name, index), *value)?;
        if !dependencies.contains(&service) {
            dependencies.push(service);
        }
    }
    if !dependencies.is_empty() {
        process.rare_mut().service.dependencies = dependencies.into();
    }
    let name = "delegatePermissionsToServicePips";
    let delegate = match fields.get(name) {
        Value::Undefined | Value::Enum(_, 0) => return Ok(()),
        Value::Enum(_, 1) => PermissionDelegation::Temporary,
        Value::Enum(_, 2) => PermissionDelegation::Permanent,
        other => return Err(fields.wrong(m, name, "a `Transformer.PermissionDelegationMode`", other)),
    };
    process.rare_mut().service.delegate_permissions = delegate;
    Ok(())
}

/// The service that a value names. An ordinary process is left to the graph, which refuses it and shows both (DX0296).
pub(super) fn service_of<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    spot: Spot,
    value: Value<'h>,
) -> Result<PipId, Raised> {
    match value {
        Value::ServiceId(pip) => Ok(PipId(pip.0)),
        Value::ExecuteResult(result) if !result.is_service => Ok(PipId(result.pip.0)),
        Value::ExecuteResult(_) => {
            let message = format!("the id of a service is needed here, but this is {}", m.describe(value));
            let error = Diagnostic::error(Code::Dx(9327), message).at(fields.spot(m, spot, value), "");
            Err(m.fail(error.help("write `.serviceId` after it")))
        }
        other => Err(fields.wrong_at(m, spot, "the `serviceId` of what `Transformer.createService` gives", other)),
    }
}

/// `readPipGraphFragment(…)`: fragments are files in a format of BuildXL's own, so this one is always refused.
pub(super) fn read_pip_graph_fragment<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let location = m.call_in_spec(args.site.location());
    let message =
        "graph fragments cannot be read: they are binary files that only the BuildXL that wrote them can read";
    let error = Diagnostic::error(Code::Dx(14418), message).at(location, "");
    Err(m.fail(error.help("evaluate the specs of the fragment in this workspace: add their module to `resolvers`")))
}
