//! Numbers as people write and read them.

/// A number with its thousands set apart: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size with a unit that people read.
#[cfg(target_os = "linux")]
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Reads a size such as `10GB` or `500 MB`; without a unit it is bytes.
#[cfg(target_os = "linux")]
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let wrong = || format!("`{text}` is no size: write bytes, or a number with KB, MB, GB or TB");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let power = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 1,
        "M" | "MB" => 2,
        "G" | "GB" => 3,
        "T" | "TB" => 4,
        _ => return Err(wrong()),
    };
    number.checked_mul(1000_u64.pow(power)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_size("10GB"), Ok(10_000_000_000));
        assert_eq!(parse_size(" 500 mb "), Ok(500_000_000));
        assert_eq!(parse_size("7"), Ok(7));
        for wrong in ["", "GB", "-1", "1.5GB", "1 parsec", "99999999999999999999", "99999999999TB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!([size(0), size(999), size(1500), size(2_000_000_000)], ["0 B", "999 B", "1.5 KB", "2.0 GB"]);
    }
}
