//! "Did you mean": the nearest of several names.

/// Longer names are not compared.
const LONGEST: usize = 200;

/// The candidate that is most like `name`, if any is near enough to be a likely slip.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes time that grows with the square of the length, and no one slips in a name like that.
    if name.len() > LONGEST {
        return None;
    }
    // A third of the letters may differ, so that short names do not match at random.
    let limit = name.chars().count().div_ceil(3).min(4);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.len() <= LONGEST)
        .map(|candidate| {
            let distance =
                if candidate.eq_ignore_ascii_case(name) { 0 } else { strsim::damerau_levenshtein(name, candidate) };
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("Transfomer", ["Context", "Transformer"]), Some("Transformer"));
        assert_eq!(nearest("lenght", ["length", "map"]), Some("length"));
        assert_eq!(nearest("x", ["foo", "bar"]), None);
        assert_eq!(nearest("getmount", ["getMount"]), Some("getMount"));
    }
}
