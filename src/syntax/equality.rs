//! Whether two trees say the same, wherever they say it.

use super::ast::Ast;
use super::shape::{Field, Node, shape};

/// Whether two trees have the same structure and the same texts. Spans, comments and layout do not count.
pub fn ast_equal(a: &Ast, b: &Ast) -> bool {
    let (left, right) = (a.list(a.body), b.list(b.body));
    if left.len() != right.len() {
        return false;
    }
    let mut work: Vec<(Node, Node)> = left.iter().zip(right).map(|(x, y)| (Node::Stmt(*x), Node::Stmt(*y))).collect();
    while let Some((x, y)) = work.pop() {
        let (x, y) = (shape(a, x), shape(b, y));
        if x.kind != y.kind || x.fields.len() != y.fields.len() {
            return false;
        }
        for ((x_name, x_field), (y_name, y_field)) in x.fields.iter().zip(&y.fields) {
            let same = x_name == y_name
                && match (x_field, y_field) {
                    (Field::Text(x), Field::Text(y)) => a.text_of(*x) == b.text_of(*y),
                    (Field::Word(x), Field::Word(y)) => x == y,
                    (Field::Flag(x), Field::Flag(y)) => x == y,
                    (Field::Node(x), Field::Node(y)) => {
                        work.push((*x, *y));
                        true
                    }
                    (Field::Nodes(x), Field::Nodes(y)) => {
                        work.extend(x.iter().copied().zip(y.iter().copied()));
                        x.len() == y.len()
                    }
                    _ => false,
                };
            if !same {
                return false;
            }
        }
    }
    true
}
