//! Recognizes names of months by their first letters.

/// First letters of the names of each month in English, German, Dutch, French, Spanish, Italian and Portuguese.
const BEGINNINGS: [&[&str]; 12] = [
    &["jan", "jän", "ene", "gen"],
    &["feb", "fev", "fév"],
    &["mar", "mär", "mrz", "maa", "mrt"],
    &["apr", "avr", "abr"],
    &["may", "mai", "mei", "mag"],
    &["jun", "juin", "giu"],
    &["jul", "juil", "lug"],
    &["aug", "aou", "aoû", "ago"],
    &["sep", "set"],
    &["oct", "okt", "ott", "out"],
    &["nov"],
    &["dec", "déc", "dez", "dic"],
];

/// The month of a name, 1 to 12.
pub fn month(name: &str) -> Option<i64> {
    // The longest name, septiembre, has ten letters.
    if name.chars().count() < 3 || name.chars().count() > 10 {
        return None;
    }
    let lower = name.to_lowercase();
    let place =
        BEGINNINGS.iter().position(|names| names.iter().any(|beginning| lower.starts_with(beginning)))?;
    i64::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::month;

    #[test]
    fn names_of_months_are_known_in_several_languages() {
        let of = |names: [&str; 6]| names.map(month);
        assert_eq!(of(["Feb", "February", "février", "febrero", "fev", "FEB"]), [Some(2); 6]);
        assert_eq!(of(["Okt", "ottobre", "out", "Oct", "oktober", "octobre"]), [Some(10); 6]);
        assert_eq!(
            ["juin", "juillet", "März", "x", "ju"].map(month),
            [Some(6), Some(7), Some(3), None, None]
        );
    }
}
