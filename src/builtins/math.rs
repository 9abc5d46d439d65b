//! The namespace `Math`.

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};

use super::support::overflow;

/// Functions of the namespace `Math`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("Math.abs", abs),
    ("Math.sum", sum),
    ("Math.max", max),
    ("Math.min", min),
    ("Math.pow", pow),
    ("Math.mod", modulo),
    ("Math.div", div),
];

fn numbers<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<Vec<i32>, Raised> {
    (0..args.len()).map(|index| m.number_arg(args, index)).collect()
}

fn fitting<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, number: Option<i32>) -> Eval<'h> {
    number.map(Value::Number).ok_or(()).map_err(|()| overflow(m, args))
}

fn abs<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let number = m.number_arg(args, 0)?;
    fitting(m, args, number.checked_abs())
}

fn sum<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let sum = numbers(m, args)?.into_iter().try_fold(0i32, i32::checked_add);
    fitting(m, args, sum)
}

fn max<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(numbers(m, args)?.into_iter().max().map_or(Value::Undefined, Value::Number))
}

fn min<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(numbers(m, args)?.into_iter().min().map_or(Value::Undefined, Value::Number))
}

fn pow<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let base = m.number_arg(args, 0)?;
    let exponent = m.number_arg(args, 1)?;
    fitting(m, args, power(base, exponent))
}

/// The whole part of `base` to the power of `exponent`; none when it does not fit.
fn power(base: i32, exponent: i32) -> Option<i32> {
    match u32::try_from(exponent) {
        Ok(exponent) => base.checked_pow(exponent),
        // A fraction: only 1 and -1 have a whole part, and 0 would be infinite.
        Err(_) => match base {
            0 => None,
            1 => Some(1),
            -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
            _ => Some(0),
        },
    }
}

fn divisor<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(i32, i32), Raised> {
    let dividend = m.number_arg(args, 0)?;
    let divisor = m.number_arg(args, 1)?;
    if divisor == 0 {
        let message = format!("`{}` divides `{dividend}` by zero", args.name);
        return Err(m.fail_at(args, 1, Code::Dx(9352), message));
    }
    Ok((dividend, divisor))
}

fn modulo<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (dividend, divisor) = divisor(m, args)?;
    fitting(m, args, dividend.checked_rem(divisor))
}

fn div<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (dividend, divisor) = divisor(m, args)?;
    fitting(m, args, dividend.checked_div(divisor))
}

#[cfg(test)]
mod tests {
    use super::power;

    #[test]
    fn powers() {
        assert_eq!(power(2, 30), Some(1 << 30));
        assert_eq!(power(2, 31), None);
        assert_eq!(power(-2, 31), Some(i32::MIN));
        assert_eq!(power(0, 0), Some(1));
        assert_eq!(power(7, -1), Some(0));
        assert_eq!(power(0, -1), None);
        assert_eq!(power(-1, -3), Some(-1));
    }
}
