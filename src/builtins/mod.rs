//! The native members of the prelude, one file for each receiver or namespace.
//!
//! Signatures and documentation stand in the prelude (`stdlib/prelude`), the code here: [`natives`] gives all of it as
//! one table, functions by dotted name and members by receiver. A test holds declarations and table together, so a
//! member is never declared without code, nor the other way round.

mod array;
mod atom;
mod context;
mod contract;
mod debug;
mod enums;
mod environment;
mod file;
mod glob;
mod global;
mod graph;
mod hashing;
mod json;
mod json_text;
mod key_form;
mod map;
mod math;
mod number;
mod object;
mod path;
mod pieces;
mod relative;
mod set;
mod static_directory;
mod string;
mod string_builder;
mod support;
mod transformer;
mod unit_test;
mod unsafe_ambient;
mod value_cache;
mod xml;

use crate::eval::{NativeFn, NativeTable, Receiver};

pub use glob::{GlobError, glob_folder_paths, glob_paths, matches};

/// Functions by dotted name, from all files.
const FUNCTIONS: &[&[(&str, NativeFn)]] = &[
    array::FUNCTIONS,
    atom::FUNCTIONS,
    context::FUNCTIONS,
    contract::FUNCTIONS,
    debug::FUNCTIONS,
    enums::FUNCTIONS,
    environment::FUNCTIONS,
    file::FUNCTIONS,
    glob::FUNCTIONS,
    global::FUNCTIONS,
    graph::FUNCTIONS,
    hashing::FUNCTIONS,
    json::FUNCTIONS,
    key_form::FUNCTIONS,
    map::FUNCTIONS,
    math::FUNCTIONS,
    number::FUNCTIONS,
    object::FUNCTIONS,
    path::FUNCTIONS,
    relative::FUNCTIONS,
    set::FUNCTIONS,
    string::FUNCTIONS,
    string_builder::FUNCTIONS,
    transformer::FUNCTIONS,
    unit_test::FUNCTIONS,
    unsafe_ambient::FUNCTIONS,
    value_cache::FUNCTIONS,
    xml::FUNCTIONS,
];

/// All natives.
pub fn natives() -> NativeTable {
    let mut table = NativeTable::default();
    table.functions.extend(FUNCTIONS.iter().copied().flatten().copied());
    table.members.extend([
        (Receiver::Object, object::MEMBERS),
        (Receiver::Array, array::MEMBERS),
        (Receiver::String, string::MEMBERS),
        (Receiver::Number, number::MEMBERS),
        (Receiver::Boolean, number::BOOLEAN_MEMBERS),
        (Receiver::Enum, enums::MEMBERS),
        (Receiver::Function, enums::PLAIN_MEMBERS),
        (Receiver::Unit, enums::PLAIN_MEMBERS),
        (Receiver::Map, map::MEMBERS),
        (Receiver::Set, set::MEMBERS),
        (Receiver::MutableSet, set::MUTABLE_MEMBERS),
        (Receiver::StringBuilder, string_builder::MEMBERS),
        (Receiver::Path, path::COMMON_MEMBERS),
        (Receiver::Path, path::MEMBERS),
        (Receiver::Directory, path::COMMON_MEMBERS),
        (Receiver::Directory, path::DIRECTORY_MEMBERS),
        (Receiver::File, path::COMMON_MEMBERS),
        (Receiver::PathAtom, atom::MEMBERS),
        (Receiver::RelativePath, relative::MEMBERS),
        (Receiver::StaticDirectory, path::COMMON_MEMBERS),
        (Receiver::StaticDirectory, static_directory::MEMBERS),
        (Receiver::StaticDirectory, transformer::ASSERTIONS),
        (Receiver::TransformerExecuteResult, transformer::RESULT),
        (Receiver::TransformerCreateServiceResult, transformer::RESULT),
        (Receiver::TransformerCreateServiceResult, transformer::SERVICE_RESULT),
        (Receiver::ServiceId, enums::PLAIN_MEMBERS),
        (Receiver::IpcMoniker, enums::PLAIN_MEMBERS),
    ]);
    table
}
