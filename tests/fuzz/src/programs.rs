//! Small programs that parse, made at random: constants over literals, operators, lambdas and every native there is.

use std::fmt::Write as _;

use dscript::builtins;

use crate::Random;

/// The names of all natives, sorted, so that a seed always makes the same programs.
pub struct Names {
    functions: Vec<&'static str>,
    members: Vec<(&'static str, bool)>,
}

impl Names {
    /// Those that are implemented.
    pub fn new() -> Self {
        let table = builtins::natives();
        let mut functions: Vec<_> = table.functions.keys().copied().collect();
        functions.sort_unstable();
        let mut members: Vec<_> =
            table.members.iter().flat_map(|(_, list)| list.iter()).map(|member| (member.name, member.property)).collect();
        members.sort_unstable();
        members.dedup();
        Self { functions, members }
    }

    /// A program of a few constants and functions.
    pub fn program(&self, random: &mut Random) -> String {
        let mut text = String::from("import {Artifact, Cmd, Transformer} from \"Sdk.Transformers\";\n");
        let count = 2 + random.below(8);
        for index in 0..count {
            if random.below(4) == 0 {
                let body = self.block(random, index, 3);
                let _ = writeln!(text, "export function f{index}(x: any, y?: any, z?: any): any {{ {body} }}");
                let argument = self.expression(random, index, 2);
                let _ = writeln!(text, "export const v{index} = f{index}({argument});");
            } else {
                let value = self.expression(random, index, 4);
                let _ = writeln!(text, "export const v{index} = {value};");
            }
        }
        text
    }

    fn block(&self, random: &mut Random, known: usize, depth: usize) -> String {
        let a = self.expression(random, known, depth);
        let b = self.expression(random, known, depth);
        match random.below(5) {
            0 => format!("let n = 0; for (let i = 0; i < 9; i++) {{ n += i; }} return [n, {a}];"),
            1 => format!("let r = []; for (const e of [{a}, {b}]) {{ if (e === undefined) {{ continue; }} r = r.push(e); }} return r;"),
            2 => format!("switch (x) {{ case {a}: return 1; default: return {b}; }}"),
            3 => format!("let s = {a}; while (s === x) {{ s = {b}; }} const g = (q) => [q, s]; return g(y);"),
            _ => format!("if ({a}) {{ return x; }} else {{ return {b}; }}"),
        }
    }

    fn expression(&self, random: &mut Random, known: usize, depth: usize) -> String {
        if depth == 0 || random.below(5) == 0 {
            return atom(random, known);
        }
        let mut part = || self.expression(random, known, depth - 1);
        let (a, b, c) = (part(), part(), part());
        let operators = ["+", "-", "*", "%", "**", "<", "<=", ">", ">=", "===", "!==", "&&", "||", "|", "&", "^", "<<", ">>", ">>>"];
        match random.below(14) {
            0 => format!("({a} {} {b})", operators[random.below(operators.len())]),
            1 => format!("[{a}, {b}, ...[{c}]]"),
            2 => format!("{{a: {a}, b: {b}, kind: {c}}}"),
            3 => format!("({a} ? {b} : {c})"),
            4 => format!("((x, y) => {a})"),
            5 => format!("{}typeof {a}", ["!", "-", "+", "~", ""][random.below(5)]),
            6 => format!("({a})[{b}]"),
            7 => format!("`${{{a}}}-${{{b}}}`"),
            8 => format!("{}`x/${{{a}}}/y`", ["p", "d", "f", "r"][random.below(4)]),
            9 | 10 => {
                let name = self.functions[random.below(self.functions.len())];
                let arguments = [&a, &b, &c][..random.below(4)].iter().map(|text| text.as_str()).collect::<Vec<_>>();
                format!("{name}({})", arguments.join(", "))
            }
            _ => {
                let (name, property) = self.members[random.below(self.members.len())];
                let arguments = [&b, &c][..random.below(3)].iter().map(|text| text.as_str()).collect::<Vec<_>>();
                if property { format!("({a}).{name}") } else { format!("({a}).{name}({})", arguments.join(", ")) }
            }
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

fn atom(random: &mut Random, known: usize) -> String {
    const ATOMS: &[&str] = &[
        "0", "1", "2", "-1", "7", "2147483647", "-2147483648", "true", "false", "undefined", "\"\"", "\"a\"", "\"é𝄞\"", "\"a,b\"",
        "\"Include\"", "\"(\"", "[]", "[1, 2, 3]", "[\"b\", \"a\"]", "{}", "{a: 1}", "{a: [1], b: {c: 2}}", "p`a/b.c`", "d`.`", "f`x.txt`",
        "a`n.e`", "r`q/w.e`", "(x => x)", "((x, y) => y)", "() => 1", "Map.empty<any, any>()", "Set.create(1, 2)", "Set.empty()",
        "StringBuilder.create()", "Unit.unit()", "Context.getNewOutputDirectory(\"o\")", "[[\"k\", 1]]",
        "{exe: f`t`, dependsOnCurrentHostOSDirectories: true}", "Cmd.option(\"-o \", Artifact.output(p`Out/Objects/f`))",
        "Transformer.sealSourceDirectory(d`src`)",
    ];
    if known > 0 && random.below(4) == 0 { format!("v{}", random.below(known)) } else { ATOMS[random.below(ATOMS.len())].to_owned() }
}
