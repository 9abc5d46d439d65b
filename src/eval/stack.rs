//! The native stack: evaluation recurses as deep as the specs do, so the stack goes on in the heap before it ends.

use super::machine::Machine;

/// When less of the stack is left than this, it grows.
const RED_ZONE: usize = if cfg!(debug_assertions) { 1 << 20 } else { 256 << 10 };
/// How much it grows by.
const GROWTH: usize = 8 << 20;

/// Where the stack that a machine runs on comes close to its end: an address. Comparing an address with it is all that
/// an expression pays.
#[derive(Clone, Copy)]
pub(super) struct StackEnd(usize);

impl StackEnd {
    /// Not known yet: the first look finds out.
    pub const UNKNOWN: StackEnd = StackEnd(usize::MAX);

    /// Of the stack that runs now.
    fn here() -> Self {
        let end = stacker::remaining_stack().map(|left| (address() + RED_ZONE).saturating_sub(left));
        // Where the system cannot tell, stacks cannot grow either.
        Self(end.unwrap_or(0))
    }
}

/// An address in the running function's part of the stack.
#[inline(always)]
fn address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

impl Machine<'_, '_> {
    /// Whether the stack must grow before evaluation goes deeper.
    #[inline(always)]
    pub(super) fn stack_is_low(&self) -> bool {
        address() < self.stack_end.0
    }

    /// Runs `f` with enough stack, after the stack was found to be low.
    #[cold]
    pub(super) fn with_more_stack<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        if stacker::remaining_stack().is_none_or(|left| left >= RED_ZONE) {
            // The limit was that of another stack.
            self.stack_end = StackEnd::here();
            return f(self);
        }
        let end = self.stack_end;
        let result = stacker::grow(GROWTH, || {
            self.stack_end = StackEnd::here();
            f(self)
        });
        self.stack_end = end;
        result
    }

    /// Runs `f`, which comes back from a native: natives may have moved to another stack.
    #[inline]
    pub(super) fn on_any_stack<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let end = std::mem::replace(&mut self.stack_end, StackEnd::here());
        let result = f(self);
        self.stack_end = end;
        result
    }
}
