//! What natives are to the evaluator: functions it is given, bound by name to the declarations of the prelude.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::resolve::ir;
use crate::source::{Location, Symbol, Symbols};

use super::machine::Machine;
use super::value::Value;

/// Evaluation stops here; the machine holds the diagnostic, or it was reported before.
#[derive(Clone, Copy, Debug)]
pub struct Raised;

/// The result of evaluating something.
pub type Eval<'h> = Result<Value<'h>, Raised>;

/// A native function, method or property.
pub type NativeFn = for<'s, 'h> fn(&mut Machine<'s, 'h>, &Args<'_, 'h>) -> Eval<'h>;

/// Evaluated arguments.
pub type Values<'h> = SmallVec<[Value<'h>; 6]>;

/// What a native is called with.
#[derive(Clone, Copy)]
pub struct Args<'a, 'h> {
    /// The name of the native as users know it: `Context.getMount`, `Array.map`.
    pub name: &'a str,
    /// The receiver of a method or property; `undefined` for functions.
    pub this: Value<'h>,
    /// The arguments.
    pub values: &'a [Value<'h>],
    /// Where it is called.
    pub site: Site<'h>,
}

/// A place in running code.
#[derive(Clone, Copy)]
pub struct Site<'h> {
    /// The code.
    pub code: &'h ir::Code,
    /// The expression in it: the call.
    pub expr: ir::ExprId,
}

impl Site<'_> {
    /// Where the whole expression stands.
    pub fn location(&self) -> Location {
        self.code.span(self.expr).in_file(self.code.file)
    }

    /// Where an argument of the call stands; the whole call when it has no such argument of its own.
    pub fn argument(&self, index: usize) -> Location {
        let arguments = match self.code.exprs[self.expr.0 as usize] {
            ir::Expr::CallGlobal { arguments, .. }
            | ir::Expr::Call { arguments, .. }
            | ir::Expr::CallMember { arguments, .. } => self.code.exprs_of(arguments),
            _ => &[],
        };
        // After a spread the positions no longer match the text.
        let spread = |id: &ir::ExprId| matches!(self.code.exprs[id.0 as usize], ir::Expr::Spread(_));
        match arguments.get(index) {
            Some(id) if !arguments[..=index].iter().any(spread) => self.code.span(*id).in_file(self.code.file),
            _ => self.location(),
        }
    }
}

impl<'h> Args<'_, 'h> {
    /// The argument, `undefined` when it was not given.
    pub fn get(&self, index: usize) -> Value<'h> {
        self.values.get(index).copied().unwrap_or(Value::Undefined)
    }

    /// How many arguments were given.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no argument was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// The types that have native members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Receiver {
    /// Every object: literals and results of merging.
    Object,
    /// Arrays.
    Array,
    /// Strings.
    String,
    /// Numbers.
    Number,
    /// Booleans.
    Boolean,
    /// Members of const enums.
    Enum,
    /// Functions of any kind.
    Function,
    /// `Unit.unit()`
    Unit,
    /// Maps.
    Map,
    /// Sets.
    Set,
    /// Mutable sets.
    MutableSet,
    /// String builders.
    StringBuilder,
    /// Paths.
    Path,
    /// Directories.
    Directory,
    /// Files.
    File,
    /// Path atoms.
    PathAtom,
    /// Relative paths.
    RelativePath,
    /// Sealed and output directories.
    StaticDirectory,
    /// What `Transformer.execute` gives.
    TransformerExecuteResult,
    /// What `Transformer.createService` gives.
    TransformerCreateServiceResult,
    /// A service, as its clients name it.
    ServiceId,
    /// The name of a channel between processes.
    IpcMoniker,
}

impl Receiver {
    /// The receiver type of a value; none for `undefined` and namespaces.
    pub fn of(value: Value<'_>) -> Option<Receiver> {
        Some(match value {
            Value::Undefined | Value::Namespace(..) | Value::Cell(_) | Value::Growing => return None,
            Value::Bool(_) => Receiver::Boolean,
            Value::Number(_) => Receiver::Number,
            Value::String(_) => Receiver::String,
            Value::Array(_) => Receiver::Array,
            Value::Object(_) => Receiver::Object,
            Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_) => Receiver::Function,
            Value::Enum(..) => Receiver::Enum,
            Value::Path(_) => Receiver::Path,
            Value::Directory(_) => Receiver::Directory,
            Value::File(_) => Receiver::File,
            Value::Atom(_) => Receiver::PathAtom,
            Value::Relative(_) => Receiver::RelativePath,
            Value::StaticDirectory(_) => Receiver::StaticDirectory,
            Value::ExecuteResult(result) if result.is_service => Receiver::TransformerCreateServiceResult,
            Value::ExecuteResult(_) => Receiver::TransformerExecuteResult,
            Value::ServiceId(_) => Receiver::ServiceId,
            Value::IpcMoniker(_) => Receiver::IpcMoniker,
            Value::Map(_) => Receiver::Map,
            Value::Set(_) => Receiver::Set,
            Value::MutableSet(_) => Receiver::MutableSet,
            Value::StringBuilder(_) => Receiver::StringBuilder,
            Value::Unit => Receiver::Unit,
        })
    }

    /// The name of the interface in the prelude that declares the members.
    pub fn interface(self) -> &'static str {
        match self {
            Receiver::Object => "Object",
            Receiver::Array => "Array",
            Receiver::String => "String",
            Receiver::Number => "Number",
            Receiver::Boolean => "Boolean",
            Receiver::Enum => "Enum",
            Receiver::Function => "Function",
            Receiver::Unit => "Unit",
            Receiver::Map => "Map",
            Receiver::Set => "Set",
            Receiver::MutableSet => "MutableSet",
            Receiver::StringBuilder => "StringBuilder",
            Receiver::Path => "Path",
            Receiver::Directory => "Directory",
            Receiver::File => "File",
            Receiver::PathAtom => "PathAtom",
            Receiver::RelativePath => "RelativePath",
            Receiver::StaticDirectory => "StaticDirectory",
            Receiver::TransformerExecuteResult => "TransformerExecuteResult",
            Receiver::TransformerCreateServiceResult => "TransformerCreateServiceResult",
            Receiver::ServiceId => "ServiceId",
            Receiver::IpcMoniker => "IpcMoniker",
        }
    }
}

/// A native member of a receiver.
#[derive(Clone, Copy)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// A property is evaluated on access, a method when called.
    pub property: bool,
    /// The fewest arguments of a method.
    pub required: usize,
    /// The most arguments of a method; `None` for any number.
    pub maximum: Option<usize>,
    /// What it does.
    pub function: NativeFn,
}

impl Member {
    /// A property.
    pub const fn property(name: &'static str, function: NativeFn) -> Self {
        Self { name, property: true, required: 0, maximum: Some(0), function }
    }

    /// A method with `required` to `maximum` arguments.
    pub const fn method(name: &'static str, required: usize, maximum: usize, function: NativeFn) -> Self {
        Self { name, property: false, required, maximum: Some(maximum), function }
    }

    /// A method with at least `required` arguments.
    pub const fn variadic(name: &'static str, required: usize, function: NativeFn) -> Self {
        Self { name, property: false, required, maximum: None, function }
    }
}

/// All natives by name, before they are bound to a program.
#[derive(Default)]
pub struct NativeTable {
    /// Functions by dotted name: `Context.getMount`, `glob`.
    pub functions: FxHashMap<&'static str, NativeFn>,
    /// Members by receiver.
    pub members: Vec<(Receiver, &'static [Member])>,
}

/// The native members of a program.
#[derive(Default)]
pub(super) struct BoundMembers {
    by_name: FxHashMap<(Receiver, Symbol), BoundMember>,
}

/// A member with its whole name, as in `Array.map`.
pub(super) struct BoundMember {
    pub member: Member,
    pub full_name: Box<str>,
}

impl BoundMembers {
    /// Binds all members of a table.
    pub fn new(table: &NativeTable, symbols: &Symbols) -> Self {
        let mut bound = Self::default();
        for (receiver, members) in &table.members {
            for member in *members {
                let full_name = format!("{}.{}", receiver.interface(), member.name).into();
                let key = (*receiver, symbols.intern(member.name));
                bound.by_name.insert(key, BoundMember { member: *member, full_name });
            }
        }
        bound
    }

    /// The member of a receiver.
    pub fn get(&self, receiver: Receiver, name: Symbol) -> Option<&BoundMember> {
        self.by_name.get(&(receiver, name))
    }

    /// The names of all members of a receiver, sorted.
    pub fn names(&self, receiver: Receiver) -> Vec<&'static str> {
        let of_receiver = self.by_name.iter().filter(|((kind, _), _)| *kind == receiver);
        let mut names: Vec<_> = of_receiver.map(|(_, bound)| bound.member.name).collect();
        names.sort_unstable();
        names
    }
}
