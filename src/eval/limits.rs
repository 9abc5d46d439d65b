//! Limits that keep every evaluation finite in time and memory.

use std::sync::atomic::Ordering;

use crate::diagnostics::{Code, Diagnostic};
use crate::source::Location;

use super::machine::Machine;
use super::native::{Eval, Raised};
use super::value::Value;

/// The most bytes that one text or one array may take.
pub(super) const LARGEST: usize = 128 << 20;

/// How many steps pass before evaluation looks whether it is to stop: a fraction of a second.
pub(super) const STEPS_BETWEEN_PAUSES: u64 = 100_000;

/// How many items or bytes a native looks at in about the time of one call.
const ITEMS_OF_A_STEP: usize = 32;

/// How many times deeper than the calls of one value all running values together may be.
const VALUES_FACTOR: usize = 50;

impl<'h> Machine<'_, 'h> {
    /// Counts a call or a round of a loop. Called often, so it is cheap while nothing grows.
    ///
    /// # Errors
    /// When the value takes too many steps (DS0403) or evaluation holds too much memory (DS0402).
    #[inline(always)]
    pub(super) fn step(&mut self, reference: impl FnOnce() -> Location) -> Result<(), Raised> {
        self.steps += 1;
        if self.steps > self.pause_at || self.heap.allocated_bytes() != self.counted {
            return self.check_limits(reference());
        }
        Ok(())
    }

    /// Counts a piece of work that a native does for a part of a value; it weighs ten steps.
    ///
    /// # Errors
    /// When the value takes too many steps (DS0403) or evaluation holds too much memory (DS0402).
    pub fn count_step(&mut self, place: Location) -> Result<(), Raised> {
        self.steps += 9;
        self.step(|| place)
    }

    /// Counts the work of a native that looks at so many items or bytes, when that is much.
    ///
    /// # Errors
    /// Like [`Machine::count_step`].
    #[inline]
    pub fn count_work(&mut self, items: usize, place: Location) -> Result<(), Raised> {
        self.steps += (items / ITEMS_OF_A_STEP) as u64;
        self.step(|| place)
    }

    #[cold]
    fn check_limits(&mut self, reference: Location) -> Result<(), Raised> {
        let limits = self.host().limits;
        if self.host().interrupted.as_ref().is_some_and(|interrupted| interrupted.load(Ordering::Relaxed)) {
            return Err(Raised);
        }
        self.pause_at = (self.steps + STEPS_BETWEEN_PAUSES).min(limits.steps);
        if self.steps > limits.steps {
            let message = format!("one value has taken {} calls and rounds of loops", limits.steps);
            let error = Diagnostic::error(Code::Ds(403), message)
                .at(reference, "evaluation was here when the limit was reached")
                .help("look for a recursion or nested loops that do far more work than was meant");
            return Err(self.fail(error));
        }
        let memory = &self.shared.memory;
        let held = self.heap.allocated_bytes();
        let more = held - self.counted;
        self.counted = held;
        if memory.fetch_add(more, Ordering::Relaxed) + more <= limits.memory {
            return Ok(());
        }
        if self.shared.exhausted.swap(true, Ordering::Relaxed) {
            // One message is enough; whoever comes later stops as well.
            return Err(Raised);
        }
        let message = format!("evaluation holds more than {} MB of values", limits.memory / 1_000_000);
        let error = Diagnostic::error(Code::Ds(402), message)
            .at(reference, "evaluation was here when the limit was reached")
            .help("values that grow in a loop are copied in each round: use a `StringBuilder` or `MutableSet`, or `map` and `join` over an array");
        Err(self.fail(error))
    }

    /// Makes sure that a text or array of this many bytes may come about.
    ///
    /// # Errors
    /// DS0404 when it is larger than any can be meant to be.
    #[inline]
    pub fn room(&mut self, bytes: usize, place: Location) -> Result<(), Raised> {
        if bytes <= LARGEST { Ok(()) } else { Err(self.too_large(place)) }
    }

    #[cold]
    fn too_large(&mut self, place: Location) -> Raised {
        let message = format!("this value would take more than {} MB", LARGEST >> 20);
        let help = "look for a loop or recursion that doubles a string or an array in each round";
        self.fail(Diagnostic::error(Code::Ds(404), message).at(place, "").help(help))
    }

    /// Makes sure that an array of this many items may come about.
    ///
    /// # Errors
    /// DS0404 when it is larger than any can be meant to be.
    pub fn room_for_items(&mut self, count: usize, place: Location) -> Result<(), Raised> {
        self.room(count.saturating_mul(size_of::<Value<'h>>()), place)
    }

    /// A value as text: what `toString()` and `${…}` give.
    ///
    /// # Errors
    /// DS0404 when the text is larger than any can be meant to be.
    pub fn text_of(&mut self, value: Value<'h>, place: Location) -> Result<String, Raised> {
        match super::display::to_display_within(self, value, LARGEST) {
            Some(text) => Ok(text),
            None => Err(self.too_large(place)),
        }
    }

    /// Refuses a call that nests too deep (DX9353). Only the calls of the running value count, so that the answer does
    /// not depend on which value came first; all running values together have a limit far above.
    #[inline(always)]
    pub(super) fn check_depth(&mut self, reference: Location) -> Result<(), Raised> {
        if self.sites.len() < self.depth_limit { Ok(()) } else { self.check_depth_closely(reference) }
    }

    #[cold]
    fn check_depth_closely(&mut self, reference: Location) -> Result<(), Raised> {
        let limit = self.host().limits.call_depth as usize;
        let first = self.running.last().map_or(0, |running| running.sites.min(self.sites.len()));
        let own = self.sites.len() - first;
        if own < limit && self.sites.len() < limit * VALUES_FACTOR {
            self.depth_limit = (first + limit).min(limit * VALUES_FACTOR);
            return Ok(());
        }
        let message = if own < limit {
            format!("values that need one another are nested more than {} levels deep", limit * VALUES_FACTOR)
        } else {
            format!("calls are nested more than {limit} levels deep")
        };
        let error = Diagnostic::error(Code::Dx(9353), message)
            .at(reference, "this call goes too deep")
            .help("look for a recursion without an end, or use a loop");
        Err(self.fail(error))
    }

    /// Texts joined to one, after a look at how long it gets.
    ///
    /// # Errors
    /// DS0404 when the text is larger than any can be meant to be.
    #[inline]
    pub fn joined_text<'p>(
        &mut self,
        parts: impl Iterator<Item = &'p str> + Clone,
        separator: &str,
        place: Location,
    ) -> Eval<'h> {
        let bytes = parts.clone().map(|part| part.len() + separator.len()).sum();
        self.room(bytes, place)?;
        let mut text = bumpalo::collections::String::with_capacity_in(bytes, self.heap);
        for (index, part) in parts.enumerate() {
            if index > 0 {
                text.push_str(separator);
            }
            text.push_str(part);
        }
        Ok(Value::String(self.heap.alloc(super::value::Text { text: text.into_bump_str(), origin: None })))
    }
}
