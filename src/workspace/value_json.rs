//! Values as JSON, for `dscript eval --format json`.

use serde_json::{Map, Value as Json, json};

use crate::eval::{Machine, Value, enum_name};

/// Values nested deeper than this are cut off.
const MAX_DEPTH: u32 = 200;

/// A value as JSON. What JSON cannot say is an object with the key `$`.
pub(super) fn to_json(machine: &Machine<'_, '_>, value: Value<'_>) -> Json {
    convert(machine, value, 0)
}

fn convert(machine: &Machine<'_, '_>, value: Value<'_>, depth: u32) -> Json {
    if depth > MAX_DEPTH {
        return json!({"$": "deep"});
    }
    let tagged = |tag: &str, path| json!({"$": tag, "value": machine.paths().display(path)});
    let deeper = |value: &Value<'_>| convert(machine, *value, depth + 1);
    match value {
        Value::Undefined => json!({"$": "undefined"}),
        Value::Bool(flag) => json!(flag),
        Value::Number(number) => json!(number),
        Value::String(text) => json!(text.text),
        Value::StringBuilder(builder) => json!(builder.text()),
        Value::Array(array) => array.items.iter().map(deeper).collect(),
        Value::Object(object) => {
            let field = |(key, value)| (machine.symbols().text(key).to_owned(), convert(machine, value, depth + 1));
            Json::Object(object.entries().map(field).collect::<Map<_, _>>())
        }
        Value::Path(path) => tagged("Path", path),
        Value::Directory(path) => tagged("Directory", path),
        Value::File(file) => tagged("File", file.path),
        Value::StaticDirectory(directory) => tagged("StaticDirectory", directory.path),
        Value::Atom(atom) => json!({"$": "PathAtom", "value": machine.symbols().text(atom)}),
        Value::Relative(path) => {
            let atoms: Vec<&str> = path.atoms.iter().map(|atom| machine.symbols().text(*atom)).collect();
            json!({"$": "RelativePath", "value": atoms.join("/")})
        }
        Value::Enum(id, number) => {
            let program = machine.program();
            let ty = program.decl_name(program.enums[id.index()].decl);
            json!({"$": "enum", "type": ty, "name": enum_name(program, id, number), "value": number})
        }
        Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_) => json!({"$": "function"}),
        Value::Map(map) => {
            let pairs: Vec<Json> = map.entries().map(|(key, value)| json!([deeper(&key), deeper(&value)])).collect();
            json!({"$": "Map", "value": pairs})
        }
        Value::Set(set) => {
            let items: Vec<Json> = set.items().iter().map(deeper).collect();
            json!({"$": "Set", "value": items})
        }
        Value::MutableSet(set) => {
            let items: Vec<Json> = set.items().iter().map(deeper).collect();
            json!({"$": "Set", "value": items})
        }
        Value::ExecuteResult(result) if result.is_service => json!({"$": "TransformerCreateServiceResult"}),
        Value::ExecuteResult(_) => json!({"$": "TransformerExecuteResult"}),
        Value::ServiceId(_) => json!({"$": "ServiceId"}),
        Value::IpcMoniker(name) => json!({"$": "IpcMoniker", "value": machine.symbols().text(name)}),
        Value::Namespace(namespace, _) => {
            json!({"$": "namespace", "value": machine.program().namespace_name(namespace)})
        }
        Value::Unit => json!({"$": "Unit"}),
        Value::Cell(_) | Value::Growing => json!({"$": "undefined"}),
    }
}
