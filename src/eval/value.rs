//! Values: small, `Copy`, immutable. What they point at lies in the arenas of the evaluation and lives as long as it.

use std::sync::Mutex;

use crate::graph::FileArtifact;
use crate::paths::PathId;
use crate::program::{DeclId, EnumId, NamespaceId, QualifierId};
use crate::resolve::ir;
use crate::source::{Location, Symbol};

use super::collections::{Map, MutableSet, Set, StringBuilder};

/// A DScript value; 16 bytes.
// What kind of value it is takes one word and the rest the other, so that values are moved in two registers.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Value<'h> {
    /// `undefined`
    Undefined,
    /// `true`, `false`
    Bool(bool),
    /// A 32-bit integer.
    Number(i32),
    /// A string.
    String(&'h Text<'h>),
    /// An array.
    Array(&'h Array<'h>),
    /// An object.
    Object(&'h Object<'h>),
    /// A lambda with what it captured.
    Closure(&'h Closure<'h>),
    /// A declared function under a qualifier.
    Function(DeclId, QualifierId),
    /// A function of the prelude.
    Native(DeclId),
    /// A method taken from its receiver without a call.
    Method(&'h Method<'h>),
    /// A member of a const enum, or several joined by bit operators.
    Enum(EnumId, i32),
    /// A namespace under a qualifier.
    Namespace(NamespaceId, QualifierId),
    /// `` p`…` ``
    Path(PathId),
    /// `` d`…` ``
    Directory(PathId),
    /// `` f`…` ``, or an output of a pip.
    File(FileArtifact),
    /// `` a`…` ``
    Atom(Symbol),
    /// `` r`…` ``
    Relative(&'h Relative<'h>),
    /// A sealed or output directory.
    StaticDirectory(&'h StaticDirectory<'h>),
    /// What `Transformer.execute` and `Transformer.createService` give.
    ExecuteResult(&'h ExecuteResult<'h>),
    /// A service, as its clients name it.
    ServiceId(PipHandle),
    /// The name of a channel between processes.
    IpcMoniker(Symbol),
    /// An immutable map.
    Map(&'h Map<'h>),
    /// An immutable set.
    Set(&'h Set<'h>),
    /// A set that changes in place.
    MutableSet(&'h MutableSet<'h>),
    /// A text that grows in place.
    StringBuilder(&'h StringBuilder<'h>),
    /// `Unit.unit()`
    Unit,
    /// A variable that a closure shares with its function. Only ever in slots and captures; no expression yields it.
    Cell(&'h Mutex<Value<'h>>),
    /// A variable whose text or array grows in place; the machine has it. Only ever in slots.
    Growing,
}

/// A string with the place of its literal, if it was written as one: errors about its content point there.
#[derive(Debug)]
pub struct Text<'h> {
    /// The characters.
    pub text: &'h str,
    /// Where the literal stands.
    pub origin: Option<Location>,
}

/// An array.
#[derive(Debug)]
pub struct Array<'h> {
    /// The items.
    pub items: &'h [Value<'h>],
    /// How it merges, if it says so: hardly any does, so a reference is all it gets.
    pub merge: Option<&'h MergeRule<'h>>,
}

/// An object. Objects made by the same literal share their keys.
#[derive(Debug)]
pub struct Object<'h> {
    /// The keys in order; none repeats.
    pub keys: &'h [Symbol],
    /// The values in the order of the keys.
    pub values: &'h [Value<'h>],
    /// How it merges, if it says so: hardly any does, so a reference is all it gets.
    pub merge: Option<&'h MergeRule<'h>>,
}

/// What `merge` does with a value that says so. Without a rule objects merge deeply, arrays append, and of all else
/// the right side is taken.
#[derive(Clone, Copy, Debug)]
pub enum MergeRule<'h> {
    /// Append the right side.
    Append,
    /// Prepend the right side.
    Prepend,
    /// Take the right side.
    Replace,
    /// Call this function with both sides.
    Custom(Value<'h>),
}

/// A lambda.
#[derive(Debug)]
pub struct Closure<'h> {
    /// The code it lies in.
    pub code: &'h ir::Code,
    /// The function in it.
    pub function: &'h ir::Function,
    /// What it captured.
    pub captures: &'h [Value<'h>],
    /// The qualifier it runs under.
    pub qualifier: QualifierId,
}

/// A method without its call: `xs.map`.
#[derive(Debug)]
pub struct Method<'h> {
    /// The receiver.
    pub receiver: Value<'h>,
    /// The name of the method.
    pub name: Symbol,
}

/// A relative path.
#[derive(Debug)]
pub struct Relative<'h> {
    /// Its atoms, never `.` or `..`.
    pub atoms: &'h [Symbol],
}

/// How a directory is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealKind {
    /// Every file below the root is listed.
    Full,
    /// Some files below the root are listed.
    Partial,
    /// The source files directly in the root.
    SourceTop,
    /// All source files below the root.
    SourceAll,
    /// What one or several processes leave there.
    SharedOpaque,
    /// What one process leaves there.
    ExclusiveOpaque,
}

/// The identity of a sealed or output directory while evaluation runs; the graph gives it its lasting id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SealHandle(pub u32);

/// The identity of a process or a message while evaluation runs; the graph gives it its lasting id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PipHandle(pub u32);

/// A sealed or output directory.
#[derive(Debug)]
pub struct StaticDirectory<'h> {
    /// The root.
    pub path: PathId,
    /// How it is sealed.
    pub kind: SealKind,
    /// Which seal of that root.
    pub seal: SealHandle,
    /// The listed files of full and partial seals, ordered by path; empty for the others.
    pub contents: &'h [FileArtifact],
    /// Whether it is composed of other shared opaque directories (composites, filters, sub-directories).
    pub composite: bool,
}

/// What `Transformer.execute` and `Transformer.createService` give: the declared outputs.
#[derive(Debug)]
pub struct ExecuteResult<'h> {
    /// Output files in the order of their declaration, each with whether it must exist afterwards.
    pub files: &'h [(FileArtifact, bool)],
    /// Output directories in the order of their declaration.
    pub directories: &'h [&'h StaticDirectory<'h>],
    /// The process.
    pub pip: PipHandle,
    /// Whether it is a service.
    pub is_service: bool,
}

impl<'h> Value<'h> {
    /// Puts the value into a slot. A number over a number is written alone: it was calculated just now and lies in a
    /// register, while a whole value that was written in parts cannot be read again at once without waiting.
    #[inline(always)]
    pub(super) fn store(self, slot: &mut Value<'h>) {
        match (self, slot) {
            (Value::Number(new), Value::Number(old)) => *old = new,
            (new, slot) => *slot = new,
        }
    }

    /// Only `false` and `undefined` are falsy.
    pub fn is_truthy(self) -> bool {
        !matches!(self, Value::Undefined | Value::Bool(false))
    }

    /// Whether it is `undefined`.
    pub fn is_undefined(self) -> bool {
        matches!(self, Value::Undefined)
    }

    /// What `typeof` answers.
    pub fn type_of(self) -> &'static str {
        match self {
            Value::Undefined => "undefined",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_)
            | Value::Namespace(..)
            | Value::ExecuteResult(_)
            | Value::ServiceId(_)
            | Value::IpcMoniker(_)
            | Value::StringBuilder(_)
            | Value::MutableSet(_)
            | Value::Unit => "object",
            Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_) => "function",
            Value::Enum(..) => "enum",
            Value::Path(_) => "Path",
            Value::Directory(_) => "Directory",
            Value::File(_) => "File",
            Value::Atom(_) => "PathAtom",
            Value::Relative(_) => "RelativePath",
            Value::StaticDirectory(directory) => match directory.kind {
                SealKind::Full => "FullStaticContentDirectory",
                SealKind::Partial => "PartialStaticContentDirectory",
                SealKind::SourceTop => "SourceTopDirectory",
                SealKind::SourceAll => "SourceAllDirectory",
                SealKind::SharedOpaque => "SharedOpaqueDirectory",
                SealKind::ExclusiveOpaque => "ExclusiveOpaqueDirectory",
            },
            Value::Map(_) => "Map",
            Value::Set(_) => "Set",
            Value::Cell(cell) => read_cell(cell).type_of(),
            Value::Growing => "object",
        }
    }

    /// `===`: by value for scalars, strings, paths and enums, by identity for everything else.
    pub fn same(self, other: Value<'h>) -> bool {
        match (self, other) {
            (Value::Undefined, Value::Undefined) | (Value::Unit, Value::Unit) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::String(a), Value::String(b)) => std::ptr::eq(a, b) || a.text == b.text,
            (Value::Array(a), Value::Array(b)) => std::ptr::eq(a, b),
            (Value::Object(a), Value::Object(b)) => std::ptr::eq(a, b),
            (Value::Closure(a), Value::Closure(b)) => std::ptr::eq(a, b),
            (Value::Function(a, p), Value::Function(b, q)) => a == b && p == q,
            (Value::Native(a), Value::Native(b)) => a == b,
            (Value::Method(a), Value::Method(b)) => a.name == b.name && a.receiver.same(b.receiver),
            (Value::Enum(t, a), Value::Enum(u, b)) => t == u && a == b,
            (Value::Namespace(a, p), Value::Namespace(b, q)) => a == b && p == q,
            (Value::Path(a), Value::Path(b)) | (Value::Directory(a), Value::Directory(b)) => a == b,
            (Value::File(a), Value::File(b)) => a == b,
            (Value::Atom(a), Value::Atom(b)) => a == b,
            (Value::Relative(a), Value::Relative(b)) => a.atoms == b.atoms,
            (Value::StaticDirectory(a), Value::StaticDirectory(b)) => a.seal == b.seal,
            (Value::ExecuteResult(a), Value::ExecuteResult(b)) => std::ptr::eq(a, b),
            (Value::ServiceId(a), Value::ServiceId(b)) => a == b,
            (Value::IpcMoniker(a), Value::IpcMoniker(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => std::ptr::eq(a, b),
            (Value::Set(a), Value::Set(b)) => std::ptr::eq(a, b),
            (Value::MutableSet(a), Value::MutableSet(b)) => std::ptr::eq(a, b),
            (Value::StringBuilder(a), Value::StringBuilder(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    /// The path of a path-like value: path, file, directory or sealed directory.
    pub fn as_path(self) -> Option<PathId> {
        match self {
            Value::Path(path) | Value::Directory(path) => Some(path),
            Value::File(file) => Some(file.path),
            Value::StaticDirectory(directory) => Some(directory.path),
            _ => None,
        }
    }

    /// The characters of a string.
    pub fn as_str(self) -> Option<&'h str> {
        match self {
            Value::String(text) => Some(text.text),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(self) -> Option<&'h [Value<'h>]> {
        match self {
            Value::Array(array) => Some(array.items),
            _ => None,
        }
    }
}

impl<'h> Object<'h> {
    /// The value of a key.
    pub fn get(&self, key: Symbol) -> Option<Value<'h>> {
        self.keys.iter().position(|known| *known == key).map(|index| self.values[index])
    }

    /// Keys and values in order.
    pub fn entries(&self) -> impl Iterator<Item = (Symbol, Value<'h>)> + '_ {
        self.keys.iter().copied().zip(self.values.iter().copied())
    }
}

/// What a cell holds now.
#[inline(never)]
pub(crate) fn read_cell<'h>(cell: &Mutex<Value<'h>>) -> Value<'h> {
    *cell.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_small() {
        assert_eq!(size_of::<Value>(), 16);
        assert_eq!(size_of::<Result<Value, super::super::Raised>>(), 16);
    }
}
