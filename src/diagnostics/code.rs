//! Numbers of diagnostics.

use std::fmt;
use std::str::FromStr;

/// The number of a condition: BuildXL's own where it has one (`DX9041`), ours otherwise (`DS0101`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A condition that BuildXL numbers too.
    Dx(u32),
    /// A condition of our own.
    Ds(u32),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Dx(number) => write!(f, "DX{number:04}"),
            Code::Ds(number) => write!(f, "DS{number:04}"),
        }
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a diagnostic code; codes look like DX9041 or DS0101");
        let (prefix, digits) = text.split_at_checked(2).ok_or_else(wrong)?;
        let number = digits.parse().map_err(|_| wrong())?;
        match prefix.to_ascii_uppercase().as_str() {
            "DX" => Ok(Code::Dx(number)),
            "DS" => Ok(Code::Ds(number)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_print_at_least_four_digits_and_parse_back() {
        for (code, text) in [(Code::Dx(211), "DX0211"), (Code::Dx(14102), "DX14102"), (Code::Ds(101), "DS0101")] {
            assert_eq!(code.to_string(), text);
            assert_eq!(text.parse(), Ok(code));
        }
        assert!("9041".parse::<Code>().is_err());
        assert!("é1".parse::<Code>().is_err());
    }
}
