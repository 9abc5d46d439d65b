//! Operators on values: 32-bit arithmetic that reports every overflow.

use std::num::IntErrorKind;

use crate::diagnostics::{Code, Diagnostic};
use crate::resolve::ir::{BinaryOp, Expr, ExprId};

use super::calls::Frame;
use super::machine::Machine;
use super::native::{Eval, Raised, Site};
use super::value::Value;

impl<'h> Machine<'_, 'h> {
    /// `left op right`. A long chain such as `a + b + c + …` is one loop, not one recursion for each operator.
    pub(super) fn eval_binary(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        op: BinaryOp,
        left: ExprId,
        right: ExprId,
    ) -> Eval<'h> {
        if !matches!(frame.code.exprs[left.0 as usize], Expr::Binary { .. }) {
            let left = self.eval(frame, left)?;
            let right = self.eval(frame, right)?;
            return self.apply(op, left, right, frame.site(id));
        }
        let mut pending = vec![(id, op, right)];
        let mut first = left;
        while let Expr::Binary { op, left, right } = frame.code.exprs[first.0 as usize] {
            pending.push((first, op, right));
            first = left;
        }
        let mut value = self.eval(frame, first)?;
        // The text of `a + b + c + …` grows here instead of being copied for each `+`.
        let mut text: Option<String> = None;
        for (id, op, right) in pending.into_iter().rev() {
            let right = self.eval(frame, right)?;
            if op == BinaryOp::Add && (text.is_some() || value.as_str().is_some() || right.as_str().is_some()) {
                let place = frame.location(id);
                let grown = match &mut text {
                    Some(text) => text,
                    None => text.insert(self.text_of(value, place)?),
                };
                match right.as_str() {
                    Some(part) => grown.push_str(part),
                    None => grown.push_str(&self.text_of(right, place)?),
                }
                self.room(grown.len(), place)?;
                continue;
            }
            if let Some(text) = text.take() {
                value = self.string(&text);
            }
            value = self.apply(op, value, right, frame.site(id))?;
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

    #[inline]
    fn apply_numbers(&mut self, op: BinaryOp, a: i32, b: i32, site: Site<'h>) -> Eval<'h> {
        let result = match op {
            BinaryOp::Add => a.checked_add(b),
            BinaryOp::Subtract => a.checked_sub(b),
            BinaryOp::Multiply => a.checked_mul(b),
            BinaryOp::Less => return Ok(Value::Bool(a < b)),
            BinaryOp::LessEqual => return Ok(Value::Bool(a <= b)),
            BinaryOp::Greater => return Ok(Value::Bool(a > b)),
            BinaryOp::GreaterEqual => return Ok(Value::Bool(a >= b)),
            BinaryOp::Equal => return Ok(Value::Bool(a == b)),
            BinaryOp::NotEqual => return Ok(Value::Bool(a != b)),
            BinaryOp::BitOr => Some(a | b),
            BinaryOp::BitXor => Some(a ^ b),
            BinaryOp::BitAnd => Some(a & b),
            // Only the low five bits of a count matter, as in C# and JavaScript.
            BinaryOp::ShiftLeft => Some(a.wrapping_shl(b as u32)),
            BinaryOp::ShiftRight => Some(a.wrapping_shr(b as u32)),
            BinaryOp::ShiftRightUnsigned => i32::try_from((a as u32).wrapping_shr(b as u32)).ok(),
            BinaryOp::Remainder if b == 0 => {
                let error = Diagnostic::error(Code::Dx(9352), format!("`{a} % 0` divides by zero"));
                return Err(self.fail(error.at(site.location(), "")));
            }
            BinaryOp::Remainder => a.checked_rem(b),
            BinaryOp::Power => match u32::try_from(b) {
                Ok(exponent) => a.checked_pow(exponent),
                Err(_) => {
                    let message = format!("`{a} ** {b}` has a negative exponent, and numbers are integers");
                    return Err(self.fail(Diagnostic::error(Code::Dx(9374), message).at(site.location(), "")));
                }
            },
        };
        result.map(Value::Number).ok_or(Raised).map_err(|_| self.overflow(&format!("`{a} {} {b}`", symbol(op)), site))
    }

    /// The error of a result that does not fit 32 bits (DX9372).
    fn overflow(&mut self, what: &str, site: Site<'h>) -> Raised {
        let message = format!("{what} does not fit a number: numbers are 32-bit integers");
        self.fail(Diagnostic::error(Code::Dx(9372), message).at(site.location(), ""))
    }

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

    fn concatenate(&mut self, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
        let place = site.location();
        if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
            return self.joined_text(&[a, b], "", place);
        }
        let mut text = self.text_of(left, place)?;
        text.push_str(&self.text_of(right, place)?);
        Ok(self.string(&text))
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
