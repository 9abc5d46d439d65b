//! The collections of the prelude: immutable maps and sets in insertion order, and the two values that change in place.
//!
//! They lie in arenas that never run destructors, so they hold slices of the arena instead of owned vectors.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bumpalo::Bump;
use rustc_hash::FxHasher;

use super::value::Value;

/// An immutable map. Re-adding a key moves it to the end.
#[derive(Debug)]
pub struct Map<'h> {
    table: Table<'h>,
    /// Values in the order of the keys.
    values: &'h [Value<'h>],
    /// Whether string keys compare without regard to letter case.
    pub ignore_case: bool,
}

/// An immutable set.
#[derive(Debug)]
pub struct Set<'h> {
    table: Table<'h>,
}

/// Keys in order with an open-addressing index over them.
#[derive(Debug)]
struct Table<'h> {
    keys: &'h [Value<'h>],
    /// Positions in `keys` plus one; zero is free. Its length is a power of two, or zero for short tables.
    index: &'h [u32],
}

/// Below this many keys a scan is faster than the index.
const SCAN: usize = 8;

impl<'h> Table<'h> {
    fn new(heap: &'h Bump, keys: &[Value<'h>], ignore_case: bool) -> Self {
        let keys = heap.alloc_slice_copy(keys);
        if keys.len() <= SCAN {
            return Self { keys, index: &[] };
        }
        let index = heap.alloc_slice_fill_copy((keys.len() * 2).next_power_of_two(), 0u32);
        let mask = index.len() - 1;
        for (position, key) in keys.iter().enumerate() {
            let mut at = hash(*key, ignore_case) as usize & mask;
            while index[at] != 0 {
                at = (at + 1) & mask;
            }
            index[at] = position as u32 + 1;
        }
        Self { keys, index }
    }

    fn find(&self, key: Value<'h>, ignore_case: bool) -> Option<usize> {
        if self.index.is_empty() {
            return self.keys.iter().position(|known| key_same(*known, key, ignore_case));
        }
        let mask = self.index.len() - 1;
        let mut at = hash(key, ignore_case) as usize & mask;
        loop {
            let position = (self.index[at] as usize).checked_sub(1)?;
            if key_same(self.keys[position], key, ignore_case) {
                return Some(position);
            }
            at = (at + 1) & mask;
        }
    }
}

fn key_same<'h>(left: Value<'h>, right: Value<'h>, ignore_case: bool) -> bool {
    match (left, right) {
        (Value::String(a), Value::String(b)) if ignore_case => a.text.to_lowercase() == b.text.to_lowercase(),
        _ => left.same(right),
    }
}

fn hash(value: Value<'_>, ignore_case: bool) -> u64 {
    let mut hasher = FxHasher::default();
    std::mem::discriminant(&value).hash(&mut hasher);
    match value {
        Value::Bool(b) => b.hash(&mut hasher),
        Value::Number(n) => n.hash(&mut hasher),
        Value::String(text) if ignore_case => text.text.to_lowercase().hash(&mut hasher),
        Value::String(text) => text.text.hash(&mut hasher),
        Value::Path(path) | Value::Directory(path) => path.hash(&mut hasher),
        Value::File(file) => file.hash(&mut hasher),
        Value::Atom(atom) => atom.hash(&mut hasher),
        Value::Relative(relative) => relative.atoms.hash(&mut hasher),
        Value::Enum(ty, number) => (ty, number).hash(&mut hasher),
        Value::StaticDirectory(directory) => directory.seal.hash(&mut hasher),
        // Compared by identity: let them share a bucket rather than hash an address.
        _ => {}
    }
    hasher.finish() ^ (hasher.finish() >> 32)
}

impl<'h> Map<'h> {
    /// From keys and values; of a repeated key the last value counts, at the last place.
    pub fn new(heap: &'h Bump, entries: &[(Value<'h>, Value<'h>)], ignore_case: bool) -> Self {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let kept = last_of_each(&keys, ignore_case);
        let keys: Vec<_> = kept.iter().map(|&at| entries[at].0).collect();
        let values: Vec<_> = kept.iter().map(|&at| entries[at].1).collect();
        Self { table: Table::new(heap, &keys, ignore_case), values: heap.alloc_slice_copy(&values), ignore_case }
    }

    /// The value of a key.
    pub fn get(&self, key: Value<'h>) -> Option<Value<'h>> {
        self.table.find(key, self.ignore_case).map(|at| self.values[at])
    }

    /// Keys and values in order.
    pub fn entries(&self) -> impl Iterator<Item = (Value<'h>, Value<'h>)> + '_ {
        self.table.keys.iter().copied().zip(self.values.iter().copied())
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl<'h> Set<'h> {
    /// From items; repeated ones count once, at their first place.
    pub fn new(heap: &'h Bump, items: &[Value<'h>]) -> Self {
        Self { table: Table::new(heap, &unique(items), false) }
    }

    /// Whether the item is in it.
    pub fn contains(&self, item: Value<'h>) -> bool {
        self.table.find(item, false).is_some()
    }

    /// The items in order.
    pub fn items(&self) -> &'h [Value<'h>] {
        self.table.keys
    }
}

/// The items without repeats, each at its first place.
pub fn unique<'h>(items: &[Value<'h>]) -> Vec<Value<'h>> {
    let mut seen = Seen::new(items.len(), false);
    items.iter().enumerate().filter(|(at, item)| seen.insert(items, *at, **item)).map(|(_, item)| *item).collect()
}

/// Positions of the last occurrence of each key, in ascending order.
fn last_of_each(keys: &[Value<'_>], ignore_case: bool) -> Vec<usize> {
    let mut seen = Seen::new(keys.len(), ignore_case);
    let mut kept: Vec<usize> = (0..keys.len()).rev().filter(|&at| seen.insert(keys, at, keys[at])).collect();
    kept.reverse();
    kept
}

/// Which of several values were met already.
struct Seen {
    index: Vec<u32>,
    ignore_case: bool,
}

impl Seen {
    fn new(count: usize, ignore_case: bool) -> Self {
        Self { index: vec![0; (count * 2).next_power_of_two().max(2)], ignore_case }
    }

    /// Notes `items[position]`; false when an equal one was noted before.
    fn insert<'h>(&mut self, items: &[Value<'h>], position: usize, item: Value<'h>) -> bool {
        let mask = self.index.len() - 1;
        let mut at = hash(item, self.ignore_case) as usize & mask;
        while let Some(known) = (self.index[at] as usize).checked_sub(1) {
            if key_same(items[known], item, self.ignore_case) {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.index[at] = position as u32 + 1;
        true
    }
}

/// A set that changes in place; it lives inside one function call.
#[derive(Debug, Default)]
pub struct MutableSet<'h> {
    items: Mutex<Indexed<'h>>,
}

/// Items in order with an open-addressing index over them, as in `Table`.
#[derive(Debug, Default)]
struct Indexed<'h> {
    items: Growing<'h, Value<'h>>,
    index: Growing<'h, u32>,
}

impl<'h> Indexed<'h> {
    /// The slot of the index where the item is noted, or would be; none while a scan is faster.
    fn slot(&self, item: Value<'h>) -> Option<usize> {
        let (items, index) = (self.items.as_slice(), self.index.as_slice());
        let mask = index.len().checked_sub(1)?;
        let mut at = hash(item, false) as usize & mask;
        while let Some(position) = (index[at] as usize).checked_sub(1) {
            if items[position].same(item) {
                break;
            }
            at = (at + 1) & mask;
        }
        Some(at)
    }

    fn contains(&self, item: Value<'h>) -> bool {
        match self.slot(item) {
            Some(slot) => self.index.as_slice()[slot] != 0,
            None => self.items.as_slice().iter().any(|known| known.same(item)),
        }
    }

    fn add(&mut self, heap: &'h Bump, item: Value<'h>) {
        if self.contains(item) {
            return;
        }
        self.items.push(heap, item);
        let count = self.items.len;
        if count > SCAN && count * 2 > self.index.len {
            // A new index four times as long as there are items: at most half full until it is made anew.
            let zeros = vec![0; (count * 4).next_power_of_two() - self.index.len];
            self.index.extend(heap, &zeros);
            self.reindex();
        } else if let Some(slot) = self.slot(item) {
            self.index.slots[slot] = count as u32;
        }
    }

    fn remove(&mut self, item: Value<'h>) {
        if self.contains(item) {
            self.items.retain(|known| !known.same(item));
            self.reindex();
        }
    }

    fn reindex(&mut self) {
        let len = self.index.len;
        self.index.slots[..len].fill(0);
        for position in 0..self.items.len {
            if let Some(slot) = self.slot(self.items.as_slice()[position]) {
                self.index.slots[slot] = position as u32 + 1;
            }
        }
    }
}

impl<'h> MutableSet<'h> {
    /// Adds an item unless it is there.
    pub fn add(&self, heap: &'h Bump, item: Value<'h>) {
        locked(&self.items).add(heap, item);
    }

    /// Takes an item out.
    pub fn remove(&self, item: Value<'h>) {
        locked(&self.items).remove(item);
    }

    /// Whether the item is in it.
    pub fn contains(&self, item: Value<'h>) -> bool {
        locked(&self.items).contains(item)
    }

    /// The items in order.
    pub fn items(&self) -> Vec<Value<'h>> {
        locked(&self.items).items.as_slice().to_vec()
    }
}

/// A text that grows in place; it lives inside one function call.
#[derive(Debug, Default)]
pub struct StringBuilder<'h> {
    bytes: Mutex<Growing<'h, u8>>,
}

impl<'h> StringBuilder<'h> {
    /// Adds text at the end.
    pub fn append(&self, heap: &'h Bump, text: &str) {
        locked(&self.bytes).extend(heap, text.as_bytes());
    }

    /// Puts other text in the place of all of it.
    pub fn set(&self, heap: &'h Bump, text: &str) {
        let mut bytes = locked(&self.bytes);
        bytes.len = 0;
        bytes.extend(heap, text.as_bytes());
    }

    /// How many bytes of text.
    pub fn len(&self) -> usize {
        locked(&self.bytes).len
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(locked(&self.bytes).as_slice()).into_owned()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A vector in the arena: growing moves it to a slice twice as long.
#[derive(Debug)]
struct Growing<'h, T> {
    slots: &'h mut [T],
    len: usize,
}

impl<T> Default for Growing<'_, T> {
    fn default() -> Self {
        Self { slots: &mut [], len: 0 }
    }
}

impl<'h, T: Copy> Growing<'h, T> {
    fn as_slice(&self) -> &[T] {
        &self.slots[..self.len]
    }

    fn push(&mut self, heap: &'h Bump, item: T) {
        self.extend(heap, &[item]);
    }

    fn extend(&mut self, heap: &'h Bump, more: &[T]) {
        let Some(first) = more.first() else { return };
        let wanted = self.len + more.len();
        if wanted > self.slots.len() {
            let grown = heap.alloc_slice_fill_copy(wanted.next_power_of_two().max(8), *first);
            grown[..self.len].copy_from_slice(&self.slots[..self.len]);
            self.slots = grown;
        }
        self.slots[self.len..wanted].copy_from_slice(more);
        self.len = wanted;
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            if keep(&self.slots[at]) {
                self.slots[kept] = self.slots[at];
                kept += 1;
            }
        }
        self.len = kept;
    }
}
