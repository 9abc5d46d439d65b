//! Members that other languages have and DScript has not, and what to write instead: BuildXL's prelude declares some
//! of them too, without a native behind them.

use super::native::Receiver;

/// What to write instead of a member that a receiver does not have; none when nobody would expect it there.
pub(super) fn instead(receiver: Receiver, name: &str) -> Option<&'static str> {
    let of = |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == name).map(|(_, help)| *help);
    match receiver {
        Receiver::Array => of(ARRAY),
        Receiver::String => of(STRING),
        Receiver::Number => {
            of(&[("valueOf", "a number is its own value"), ("toFixed", "numbers are whole: `toString()`")])
        }
        Receiver::Object => of(OBJECT),
        Receiver::Map => of(MAP),
        Receiver::Set | Receiver::MutableSet => of(SET),
        Receiver::PathAtom | Receiver::RelativePath => of(FRAGMENT),
        _ => None,
    }
}

const ARRAY: &[(&str, &str)] = &[
    ("forEach", "`map` makes something of each element; in a function there is `for (let x of xs) { … }`"),
    ("shift", "arrays do not change: `xs[0]` is the first element, `xs.slice(1)` all others"),
    ("pop", "arrays do not change: `xs[xs.length - 1]` is the last element, `xs.slice(0, -1)` all others"),
    ("unshift", "arrays do not change: `[x, ...xs]` has one more in front"),
    ("splice", "arrays do not change: put a new one together, as in `[...xs.slice(0, 2), x, ...xs.slice(3)]`"),
    ("fill", "arrays do not change: `xs.map(x => value)` has the same value everywhere"),
    ("lastIndexOf", "search from the other end: `xs.reverse().indexOf(x)`"),
    ("reduceRight", "begin at the other end: `xs.reverse().reduce(…)`"),
    ("unzipWith", "use `map` twice"),
    ("includes", "write `xs.indexOf(x) !== -1`, or `xs.some(x => …)`"),
    ("contains", "write `xs.indexOf(x) !== -1`, or `xs.some(x => …)`"),
    ("findIndex", "write `xs.map(x => …).indexOf(true)`"),
    ("flatMap", "it is called `mapMany`"),
    ("flat", "write `xs.mapMany(x => x)`"),
    ("count", "it is a property: `length`"),
    ("size", "it is a property: `length`"),
    ("at", "write `xs[i]`"),
];

const STRING: &[(&str, &str)] = &[
    ("lines", "write `split(\"\\n\")`"),
    ("includes", "it is called `contains`"),
    ("substring", "it is called `slice`"),
    ("substr", "it is called `slice`, and takes where to end"),
    ("replaceAll", "`replace` replaces all of them"),
    ("trimLeft", "it is called `trimStart`"),
    ("trimRight", "it is called `trimEnd`"),
    ("padStart", "a `StringBuilder` has `appendRepeat`"),
    ("padEnd", "a `StringBuilder` has `appendRepeat`"),
    ("repeat", "a `StringBuilder` has `appendRepeat`"),
    ("match", "there are no regular expressions: use `contains`, `startsWith`, `indexOf`"),
    ("search", "there are no regular expressions: use `indexOf`"),
];

const OBJECT: &[(&str, &str)] = &[
    ("hasOwnProperty", "a field that is missing is `undefined`: `o[\"name\"] !== undefined`"),
    ("values", "write `o.keys().map(key => o.get(key))`"),
    ("entries", "write `o.keys().map(key => [key, o.get(key)])`"),
];

const MAP: &[(&str, &str)] = &[
    ("has", "it is called `containsKey`"),
    ("set", "it is called `add`, and gives a new map"),
    ("delete", "it is called `remove`, and gives a new map"),
    ("size", "it is a function: `count()`"),
    ("length", "it is a function: `count()`"),
    ("entries", "it is called `toArray`"),
    ("map", "write `toArray().map(…)`"),
    ("filter", "write `toArray().filter(…)`"),
];

const SET: &[(&str, &str)] = &[
    ("has", "it is called `contains`"),
    ("delete", "it is called `remove`"),
    ("size", "it is a function: `count()`"),
    ("length", "it is a function: `count()`"),
    ("values", "it is called `toArray`"),
    ("map", "write `toArray().map(…)`"),
    ("filter", "write `toArray().filter(…)`"),
    ("difference", "it is called `except`"),
    ("intersection", "it is called `intersect`"),
];

const FRAGMENT: &[(&str, &str)] = &[
    ("asRelativePath", "write `RelativePath.fromPathAtoms(atom)`"),
    ("getExtension", "it is a property: `extension`"),
    ("getNameWithoutExtension", "it is a property: `nameWithoutExtension`"),
];
