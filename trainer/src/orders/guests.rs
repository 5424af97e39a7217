//! User ids that mean "no user", and user ids with so many lines that they are probably no single person.
//!
//! Words such as NULL, 匿名 and walk-in are guests, and so are numbers such as 00000000. The id 0 is a guest unless the
//! ids 1 and 2 exist and it has at most ten times the lines of the larger of them.

use super::raw::Raw;
use super::types::GUEST;
use super::warnings::{Code, Warning};
use crate::config::{Outsized, folded};

/// Words for guests, by [`folded`].
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "null", "na", "nan", "none", "n", "nil", "undefined", "unknown", "guest", "guests", "guestuser",
    "guestcheckout", "guestcustomer", "anonymous", "anonym", "anon", "walkin", "walkincustomer", "walkins", "cash",
    "cashcustomer", "cashsale", "nocustomer", "nomember", "nonmember", "notmember", "notset", "notloggedin",
    "notavailable", "noname", "nocard", "default", "defaultcustomer", "retail", "retailcustomer", "posguest",
    "poscustomer", "visitor", "匿名", "匿名用户", "匿名买家", "匿名会员", "散客", "散户", "零售", "零售客户",
    "游客", "访客", "过客", "非会员", "普通顾客", "普通客户", "顾客", "现金客户", "默认客户", "未登录", "未知",
    "无", "无会员", "空", "ゲスト", "非会員", "匿名ユーザー", "비회원", "게스트", "손님", "gast", "laufkundschaft",
    "barverkauf", "unbekannt", "invité", "anonyme", "clientdepassage", "comptoir", "inconnu", "invitado", "anónimo",
    "anonimo", "consumidorfinal", "mostrador", "desconocido", "ospite", "clientegenerico", "convidado", "гость",
    "аноним", "розничныйпокупатель",
];

/// Fewest lines of an outsized person.
const MIN_LINES: u64 = 30;

/// Smallest share of all persons' lines of an outsized person.
const SHARE: f64 = 0.05;

/// Smallest ratio of an outsized person's lines to the mean.
const TIMES_MEAN: f64 = 10.0;

/// True if a word means a guest, regardless of the other ids.
pub fn is_guest_word(word: &str) -> bool {
    let folded = folded(word);
    // `-`, `--`, `.`, `?` have no letters and mean a guest; `😀` has none either, but names a person.
    (folded.is_empty() && word.is_ascii()) || WORDS.contains(&folded.as_str())
}

/// Turns user ids that mean no user into guests, and outsized persons if configured. Returns warnings about both,
/// with the numbers of lines.
pub fn apply(raw: &mut Raw, words: &[String], outsized: Option<Outsized>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut lines = vec![0u64; raw.users.len()];
    raw.lines.iter().filter(|line| line.user != GUEST).for_each(|line| lines[line.user as usize] += 1);
    let mut guests = vec![false; lines.len()];
    let mut found: Vec<(String, u64)> = Vec::new();
    for code in 0..lines.len() as u32 {
        let name = raw.users.name(code);
        if is_guest_word(&name) || words.contains(&name) || is_sentinel(&name, code, raw, &lines) {
            guests[code as usize] = true;
            found.push((name, lines[code as usize]));
        }
    }
    found.retain(|(_, lines)| *lines > 0);
    if !found.is_empty() {
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let total = found.iter().map(|(_, lines)| lines).sum();
        let shown: Vec<String> =
            found.iter().take(12).map(|(name, lines)| format!("{name:?} {lines}")).collect();
        warnings.push(Warning::new(
            Code::GuestWords,
            total,
            format!(
                "{total} lines are guests' because their user id stands for nobody: {}",
                shown.join(", ")
            ),
        ));
    }
    warnings.extend(outsized_persons(&lines, &mut guests, outsized));
    if guests.contains(&true) {
        make_guests(raw, &guests);
    }
    warnings
}

/// True for numbers that systems write for no user: 0, -1, 00000000, 9999999999, 13800000000.
fn is_sentinel(name: &str, code: u32, raw: &Raw, lines: &[u64]) -> bool {
    let digits = name.strip_prefix('-').unwrap_or(name);
    let same = |digit: u8| !digits.is_empty() && digits.bytes().all(|byte| byte == digit);
    if name == "-1" || (digits.len() > 1 && same(b'0')) || (digits.len() >= 6 && (same(b'9') || same(b'1'))) {
        return true;
    }
    if name != "0" {
        return false;
    }
    // If persons are numbered from 0, then 1 and 2 exist, with numbers of lines of the same order.
    let others: Vec<u64> = ["1", "2"]
        .iter()
        .filter_map(|id| raw.users.find(id.as_bytes()))
        .map(|code| lines[code as usize])
        .collect();
    let most = others.iter().max().copied().unwrap_or(0);
    others.len() < 2 || lines[code as usize] > 10 * most.max(1)
}

fn outsized_persons(lines: &[u64], guests: &mut [bool], outsized: Option<Outsized>) -> Vec<Warning> {
    let persons = || (0..lines.len()).filter(|&code| lines[code] > 0);
    let known = persons().filter(|&code| !guests[code]).count();
    let total: u64 = persons().filter(|&code| !guests[code]).map(|code| lines[code]).sum();
    let mut found: Vec<(u64, u32)> = Vec::new();
    for code in persons().filter(|&code| !guests[code]) {
        let others = (total - lines[code]) as f64 / (known.max(2) - 1) as f64;
        let is_large = lines[code] >= MIN_LINES && lines[code] as f64 >= SHARE * total as f64;
        if known >= 3 && is_large && lines[code] as f64 >= TIMES_MEAN * others {
            found.push((lines[code], code as u32));
        }
    }
    if found.is_empty() || outsized == Some(Outsized::Keep) {
        return Vec::new();
    }
    found.sort_unstable_by_key(|(lines, code)| (std::cmp::Reverse(*lines), *code));
    let count = found.iter().map(|(lines, _)| lines).sum();
    // The text has no ids, because it may be logged.
    let shares: Vec<String> = found
        .iter()
        .take(5)
        .map(|(lines, _)| format!("{:.1} %", 100.0 * *lines as f64 / total as f64))
        .collect();
    let what = format!(
        "{} of {known} persons have an outsized share of the lines ({}): a till, a test account or a wholesaler",
        found.len(),
        shares.join(", ")
    );
    let text = match outsized {
        Some(Outsized::Guest) => {
            found.iter().for_each(|(_, code)| guests[*code as usize] = true);
            format!("{what}; their {count} lines are guests'")
        }
        _ => format!("{what}; outsized = \"guest\" in [orders] makes guests of them, \"keep\" keeps them"),
    };
    vec![Warning::new(Code::OutsizedPerson, count, text)]
}

fn make_guests(raw: &mut Raw, guests: &[bool]) {
    let is_guest = |user: u32| guests.get(user as usize).copied().unwrap_or(false);
    for line in raw.lines.iter_mut().filter(|line| is_guest(line.user)) {
        line.user = GUEST;
    }
    let before = raw.returns.len();
    raw.returns.retain(|back| !is_guest(back.user));
    raw.returns_of_guests += (before - raw.returns.len()) as u64;
    for cancelled in raw.cancelled.iter_mut().filter(|cancelled| is_guest(cancelled.user)) {
        cancelled.user = GUEST;
    }
}

#[cfg(test)]
mod tests {
    use super::is_guest_word;

    #[test]
    fn words_for_nobody_are_known_whatever_their_case() {
        for word in [
            "NULL",
            "NA",
            "nan",
            "None",
            "\\N",
            "-",
            "--",
            "匿名",
            "散客",
            "Guest",
            "WALK-IN",
            "n/a",
            "(null)",
            "비회원",
        ] {
            assert!(is_guest_word(word), "{word}");
        }
        for word in ["M1", "0017", "ann", "nana", "Nora"] {
            assert!(!is_guest_word(word), "{word}");
        }
    }
}
