//! The native stack: evaluation recurses as deep as the specs do, so the stack goes on in the heap before it ends.

use super::machine::Machine;

/// When less of the stack is left than this, it grows.
const RED_ZONE: usize = if cfg!(debug_assertions) { 1 << 20 } else { 256 << 10 };
/// How much it grows by.
const GROWTH: usize = 8 << 20;

/// The part of the native stack that a machine may use: stacks grow towards smaller addresses. Comparing an address
/// with it is all that an expression pays.
#[derive(Clone, Copy)]
pub(super) struct StackRoom {
    /// Where it was when this was found out.
    begin: usize,
    /// Where it comes close to its end.
    end: usize,
}

impl StackRoom {
    /// Not known yet: the first look finds out.
    pub const UNKNOWN: StackRoom = StackRoom { begin: usize::MAX, end: usize::MAX };

    /// Of the stack that runs now.
    fn here() -> Self {
        let begin = address();
        // Where the system cannot tell, stacks cannot grow either.
        let end = stacker::remaining_stack().map_or(0, |left| (begin + RED_ZONE).saturating_sub(left));
        Self { begin, end }
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
        address() < self.stack_room.end
    }

    /// Runs `f` with enough stack, after the stack was found to be low.
    #[cold]
    pub(super) fn with_more_stack<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        if stacker::remaining_stack().is_none_or(|left| left >= RED_ZONE) {
            // The limit was that of another stack.
            self.stack_room = StackRoom::here();
            return f(self);
        }
        let room = self.stack_room;
        let result = stacker::grow(GROWTH, || {
            self.stack_room = StackRoom::here();
            f(self)
        });
        self.stack_room = room;
        result
    }

    /// Runs `f`, which comes back from a native: natives may have moved to another stack.
    #[inline]
    pub(super) fn on_any_stack<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let room = self.stack_room;
        if address() > room.begin {
            self.stack_room = StackRoom::here();
        }
        // Anywhere else it is the same stack, or one that is taken to be low until a closer look.
        let result = f(self);
        // What that look found does not hold where the native goes back to.
        self.stack_room = room;
        result
    }
}
