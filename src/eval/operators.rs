//! Operators on values: 32-bit arithmetic that reports every overflow.

use std::num::IntErrorKind;

use smallvec::{SmallVec, smallvec};

use crate::diagnostics::{Code, Diagnostic};
use crate::resolve::ir::{BinaryOp, Expr, ExprId, Operands};

use super::calls::Frame;
use super::limits::LARGEST;
use super::machine::Machine;
use super::native::{Eval, Raised, Site};
use super::value::{Text, Value};

impl<'h> Machine<'_, 'h> {
    /// `left op right`.
    #[inline(never)]
    pub(super) fn eval_binary(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        op: BinaryOp,
        left: ExprId,
        right: ExprId,
        operands: Operands,
    ) -> Eval<'h> {
        if let Some((a, b)) = self.numbers_at(frame, operands) {
            return self.apply_numbers(op, a, b, frame.site(id));
        }
        if op == BinaryOp::Add && matches!(frame.code.exprs[left.0 as usize], Expr::Binary { op: BinaryOp::Add, .. }) {
            return self.eval_sum(frame, id, left, right);
        }
        let left = self.operand(frame, left)?;
        let right = self.operand(frame, right)?;
        if op == BinaryOp::Add && matches!(left, Value::String(_)) {
            return self.concatenate(left, right, frame.site(id));
        }
        self.apply(op, left, right, frame.site(id))
    }

    /// `a + b + c + …` of any length: one loop, not one recursion for each operator.
    #[inline(never)]
    fn eval_sum(&mut self, frame: &Frame<'h>, id: ExprId, left: ExprId, right: ExprId) -> Eval<'h> {
        let mut pending: SmallVec<[_; 8]> = smallvec![(id, right)];
        let mut first = left;
        while let Expr::Binary { op: BinaryOp::Add, left, right, .. } = frame.code.exprs[first.0 as usize] {
            pending.push((first, right));
            first = left;
        }
        let mut value = self.operand(frame, first)?;
        // The text grows here instead of being copied for each `+`.
        let mut text: Option<String> = None;
        for (id, right) in pending.into_iter().rev() {
            let right = self.operand(frame, right)?;
            if text.is_some() || value.as_str().is_some() || right.as_str().is_some() {
                let place = frame.location(id);
                let grown = match &mut text {
                    Some(text) => text,
                    None => text.insert(self.text_of(value, place)?),
                };
                match right {
                    Value::String(part) => grown.push_str(part.text),
                    Value::Number(number) => grown.push_str(itoa::Buffer::new().format(number)),
                    _ => grown.push_str(&self.text_of(right, place)?),
                }
                self.room(grown.len(), place)?;
                continue;
            }
            value = self.apply(BinaryOp::Add, value, right, frame.site(id))?;
        }
        Ok(text.map_or(value, |text| self.string(&text)))
    }

    /// Applies an operator to two values.
    #[inline]
    pub(super) fn apply(&mut self, op: BinaryOp, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
        match (left, right) {
            (Value::Number(a), Value::Number(b)) => self.apply_numbers(op, a, b, site),
            _ => self.apply_others(op, left, right, site),
        }
    }

    #[inline(always)]
    pub(super) fn apply_numbers(&mut self, op: BinaryOp, a: i32, b: i32, site: Site<'h>) -> Eval<'h> {
        if let Some(answer) = compare(op, a, b) {
            return Ok(Value::Bool(answer));
        }
        match calculate(op, a, b) {
            Some(result) => Ok(Value::Number(result)),
            None => Err(self.no_result(op, a, b, site)),
        }
    }

    /// Why an operator has no result for these numbers.
    #[cold]
    fn no_result(&mut self, op: BinaryOp, a: i32, b: i32, site: Site<'h>) -> Raised {
        let error = match op {
            BinaryOp::Remainder if b == 0 => Diagnostic::error(Code::Dx(9352), format!("`{a} % 0` divides by zero")),
            BinaryOp::Power if b < 0 => {
                let message = format!("`{a} ** {b}` has a negative exponent, and numbers are integers");
                Diagnostic::error(Code::Dx(9374), message)
            }
            _ => return self.overflow(&format!("`{a} {} {b}`", symbol(op)), site),
        };
        self.fail(error.at(site.location(), ""))
    }

    /// The error of a result that does not fit 32 bits (DX9372).
    fn overflow(&mut self, what: &str, site: Site<'h>) -> Raised {
        let message = format!("{what} does not fit a number: numbers are 32-bit integers");
        self.fail(Diagnostic::error(Code::Dx(9372), message).at(site.location(), ""))
    }

    #[inline(never)]
    fn apply_others(&mut self, op: BinaryOp, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
        match op {
            BinaryOp::Equal => return Ok(Value::Bool(left.same(right))),
            BinaryOp::NotEqual => return Ok(Value::Bool(!left.same(right))),
            BinaryOp::Add if left.as_str().is_some() || right.as_str().is_some() => {
                return self.concatenate(left, right, site);
            }
            _ => {}
        }
        if let Some(value) = self.apply_enums(op, left, right) {
            return Ok(value);
        }
        let wanted = match op {
            BinaryOp::Add => "two numbers, or a string and anything",
            BinaryOp::BitOr | BinaryOp::BitAnd | BinaryOp::BitXor => "two numbers, or two members of one enum",
            _ => "two numbers",
        };
        let compares = matches!(op, BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual);
        let help = match (left, right) {
            (Value::String(_), Value::String(_)) if compares => Some("compare strings with `localeCompare`"),
            (Value::Enum(..), _) | (_, Value::Enum(..)) => Some("`valueOf()` gives the number of an enum member"),
            _ => None,
        };
        let (left, right) = (self.describe(left), self.describe(right));
        let message = format!("`{}` needs {wanted}, but it has {left} and {right}", symbol(op));
        let error = Diagnostic::error(Code::Dx(9325), message).at(site.location(), "");
        Err(self.fail(error.maybe_help(help.map(str::to_owned))))
    }

    /// Members of one enum combine by their bits; the result is of that enum.
    fn apply_enums(&mut self, op: BinaryOp, left: Value<'h>, right: Value<'h>) -> Option<Value<'h>> {
        let (ty, a, b) = match (left, right) {
            (Value::Enum(ty, a), Value::Enum(other, b)) if ty == other => (ty, a, b),
            _ => return None,
        };
        Some(match op {
            BinaryOp::BitOr => Value::Enum(ty, a | b),
            BinaryOp::BitAnd => Value::Enum(ty, a & b),
            BinaryOp::BitXor => Value::Enum(ty, a ^ b),
            _ => return None,
        })
    }

    #[inline(never)]
    fn concatenate(&mut self, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
        let mut number = itoa::Buffer::new();
        let (a, b) = match (left, right) {
            (Value::String(a), Value::String(b)) => (a.text, b.text),
            (Value::String(a), Value::Number(b)) => (a.text, number.format(b)),
            (Value::Number(a), Value::String(b)) => (number.format(a), b.text),
            _ => {
                let place = site.location();
                let mut text = self.text_of(left, place)?;
                text.push_str(&self.text_of(right, place)?);
                return Ok(self.string(&text));
            }
        };
        let bytes = a.len() + b.len();
        if bytes > LARGEST {
            self.room(bytes, site.location())?;
        }
        let mut text = bumpalo::collections::String::with_capacity_in(bytes, self.heap);
        text.push_str(a);
        text.push_str(b);
        Ok(Value::String(self.heap.alloc(Text { text: text.into_bump_str(), origin: None })))
    }

    pub(super) fn eval_minus(&mut self, frame: &Frame<'h>, id: ExprId, operand: ExprId) -> Eval<'h> {
        match self.eval(frame, operand)? {
            Value::Number(number) => match number.checked_neg() {
                Some(negated) => Ok(Value::Number(negated)),
                None => Err(self.overflow(&format!("`-({number})`"), frame.site(id))),
            },
            other => Err(self.wrong_operand(frame, operand, "-", other)),
        }
    }

    pub(super) fn eval_plus(&mut self, frame: &Frame<'h>, operand: ExprId) -> Eval<'h> {
        match self.eval(frame, operand)? {
            Value::Number(number) => Ok(Value::Number(number)),
            Value::Enum(_, number) => Ok(Value::Number(number)),
            Value::Bool(flag) => Ok(Value::Number(i32::from(flag))),
            Value::String(text) => match number_of(text.text) {
                Ok(number) => Ok(Value::Number(number)),
                Err(problem) => {
                    let shown = text.text.escape_debug();
                    let (code, message) = if matches!(problem, IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) {
                        (9372, format!("`{shown}` does not fit a number: numbers are 32-bit integers"))
                    } else {
                        (9373, format!("`{shown}` is not the text of a number"))
                    };
                    Err(self.fail(Diagnostic::error(Code::Dx(code), message).at(frame.location(operand), "")))
                }
            },
            other => Err(self.wrong_operand(frame, operand, "+", other)),
        }
    }

    pub(super) fn eval_bit_not(&mut self, frame: &Frame<'h>, operand: ExprId) -> Eval<'h> {
        match self.eval(frame, operand)? {
            Value::Number(number) => Ok(Value::Number(!number)),
            Value::Enum(ty, number) => Ok(Value::Enum(ty, !number)),
            other => Err(self.wrong_operand(frame, operand, "~", other)),
        }
    }

    fn wrong_operand(&mut self, frame: &Frame<'h>, operand: ExprId, op: &str, value: Value<'h>) -> Raised {
        let message = format!("`{op}` needs a number, but this is {}", self.describe(value));
        self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(operand), ""))
    }
}

/// The number that a text spells: decimal, or the bits after `0x`, `0b` or `0o`.
fn number_of(text: &str) -> Result<i32, IntErrorKind> {
    let radix = match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => 16,
        Some("0b") => 2,
        Some("0o") => 8,
        _ => return text.parse::<i32>().map_err(|error| *error.kind()),
    };
    match &text[2..] {
        signed if signed.starts_with(['+', '-']) => Err(IntErrorKind::InvalidDigit),
        digits => u32::from_str_radix(digits, radix).map(u32::cast_signed).map_err(|error| *error.kind()),
    }
}

/// What a comparison of numbers answers; none for other operators.
#[inline(always)]
pub(super) fn compare(op: BinaryOp, a: i32, b: i32) -> Option<bool> {
    Some(match op {
        BinaryOp::Less => a < b,
        BinaryOp::LessEqual => a <= b,
        BinaryOp::Greater => a > b,
        BinaryOp::GreaterEqual => a >= b,
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        _ => return None,
    })
}

/// The result of an operator that gives a number; none where there is no result, or none that fits 32 bits.
#[inline(always)]
pub(super) fn calculate(op: BinaryOp, a: i32, b: i32) -> Option<i32> {
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
        BinaryOp::BitAnd => Some(a & b),
        // Only the low five bits of a count matter, as in C# and JavaScript.
        BinaryOp::ShiftLeft => Some(a.wrapping_shl(b as u32)),
        BinaryOp::ShiftRight => Some(a.wrapping_shr(b as u32)),
        BinaryOp::ShiftRightUnsigned => i32::try_from((a as u32).wrapping_shr(b as u32)).ok(),
        BinaryOp::Remainder => a.checked_rem(b),
        BinaryOp::Power => u32::try_from(b).ok().and_then(|exponent| a.checked_pow(exponent)),
        BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual
        | BinaryOp::Equal
        | BinaryOp::NotEqual => None,
    }
}

/// The operator as it is written.
fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
        BinaryOp::Equal => "===",
        BinaryOp::NotEqual => "!==",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
        BinaryOp::ShiftRightUnsigned => ">>>",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Remainder => "%",
        BinaryOp::Power => "**",
    }
}
