//! The tree as JSON, for `dscript parse --format json`.

use serde_json::{Map, Value, json};

use super::ast::Ast;
use super::shape::{Field, Node, shape};

/// Deeper than this a node is given without its fields: readers of JSON overflow on deep values, and so would dropping
/// one.
const MAX_DEPTH: u32 = 400;

/// The tree of a file: `{"kind": "File", "body": […], "comments": […]}`. Every node has its `kind`, its `span` as two
/// byte offsets, and its fields; lists that are empty and fields that are absent are left out. Nodes nested more than
/// 400 levels deep have `"truncated": true` in place of their fields.
pub fn to_json(ast: &Ast) -> Value {
    let body: Vec<Value> = ast.list(ast.body).iter().map(|stmt| node_to_json(ast, Node::Stmt(*stmt), 0)).collect();
    let comments: Vec<Value> = ast
        .comments
        .iter()
        .map(|comment| {
            let text = ast.text_of(comment.span);
            json!({"span": [comment.span.start, comment.span.end], "block": comment.block, "text": text})
        })
        .collect();
    json!({"kind": "File", "body": body, "comments": comments})
}

fn node_to_json(ast: &Ast, node: Node, depth: u32) -> Value {
    let shape = shape(ast, node);
    let mut object = Map::new();
    object.insert("kind".to_owned(), Value::from(shape.kind));
    object.insert("span".to_owned(), json!([shape.span.start, shape.span.end]));
    if depth > MAX_DEPTH {
        object.insert("truncated".to_owned(), Value::Bool(true));
        return Value::Object(object);
    }
    for (name, field) in shape.fields {
        let value = match field {
            Field::Text(span) => Value::from(ast.text_of(span)),
            Field::Word(word) => Value::from(word),
            Field::Flag(flag) => Value::Bool(flag),
            Field::Node(node) => node_to_json(ast, node, depth + 1),
            Field::Nodes(nodes) => nodes.into_iter().map(|node| node_to_json(ast, node, depth + 1)).collect(),
        };
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}
