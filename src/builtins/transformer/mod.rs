//! The natives that make pips. Specs reach them through `Sdk.Transformers`, which gives them types and documentation.

mod arguments;
mod artifacts;
mod data;
mod environment;
mod fields;
mod ipc;
mod process;
mod result;
mod seal;
mod service;
mod tool;
pub(super) mod write;

use crate::eval::{Member, NativeFn};

/// Each native under its hidden name, which `Sdk.Transformers` wraps, and under the plain one of old specs.
macro_rules! functions {
    ($($name:literal => $function:path),* $(,)?) => {
        &[$(
            (concat!("_PreludeAmbientHack_Transformer.", $name), $function as NativeFn),
            (concat!("Transformer.", $name), $function as NativeFn),
        )*]
    };
}

/// Functions by dotted name.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = functions! {
    "execute" => process::execute,
    "createService" => service::create_service,
    "ipcSend" => ipc::ipc_send,
    "getNewIpcMoniker" => ipc::get_new_ipc_moniker,
    "getIpcServerMoniker" => ipc::get_ipc_server_moniker,
    "getDominoIpcServerMoniker" => ipc::get_ipc_server_moniker,
    "readPipGraphFragment" => service::read_pip_graph_fragment,
    "copyFile" => write::copy_file,
    "writeFile" => write::write_file,
    "writeData" => write::write_data,
    "writeAllLines" => write::write_all_lines,
    "writeAllText" => write::write_all_text,
    "sealDirectory" => seal::seal_directory,
    "sealPartialDirectory" => seal::seal_partial_directory,
    "sealSourceDirectory" => seal::seal_source_directory,
    "composeSharedOpaqueDirectories" => seal::compose,
    "getSharedOpaqueSubDirectory" => seal::sub_directory,
};

/// Members of `TransformerExecuteResult`.
pub(super) const RESULT: &[Member] = &[
    Member::method("getOutputFile", 1, 1, result::get_output_file),
    Member::method("getOutputFiles", 0, 0, result::get_output_files),
    Member::method("getRequiredOutputFiles", 0, 0, result::get_required_output_files),
    Member::method("getOutputDirectory", 1, 1, result::get_output_directory),
    Member::method("getOutputDirectories", 0, 0, result::get_output_directories),
];

/// The member of `TransformerCreateServiceResult` that `TransformerExecuteResult` has not.
pub(super) const SERVICE_RESULT: &[Member] = &[Member::property("serviceId", result::service_id)];

/// The members of sealed directories that ask something of the graph; the others are queries of their own file.
pub(super) const ASSERTIONS: &[Member] = &[
    Member::method("assertExistence", 1, 1, seal::assert_existence),
    Member::method("ensureContents", 1, 1, seal::ensure_contents),
];
