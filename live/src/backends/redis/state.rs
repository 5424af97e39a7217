//! Users' states in Redis: for each name one sorted set for each class of marks, scored by time.

use redis::{Cmd, Value, cmd};

use super::connection::{bytes, list, number};
use super::keys::Keys;
use crate::error::StoreError;
use crate::people::state::{Class, Mark};
use crate::people::{Name, UserState};

/// The commands that read the state under a name.
pub(super) fn state_commands(keys: &Keys, name: &Name<'_>) -> Vec<Cmd> {
    let range = |class| {
        let mut range = cmd("ZRANGE");
        range.arg(keys.user(name, class)).arg(0).arg(-1).arg("WITHSCORES");
        range
    };
    Class::ALL.map(range).to_vec()
}

/// The state in the answers to [`state_commands`].
pub(super) fn read_state(answers: Vec<Value>) -> Result<UserState, StoreError> {
    let marks: Option<Vec<Vec<Mark>>> = answers.into_iter().map(read_marks).collect();
    let marks = marks.ok_or(StoreError::Damaged { table: "users" })?;
    Ok(UserState::of(marks.into_iter().flatten().collect()))
}

fn read_marks(answer: Value) -> Option<Vec<Mark>> {
    let mut values = list(answer)?.into_iter();
    let mut marks = Vec::with_capacity(values.len() / 2);
    while let (Some(name), Some(at)) = (values.next(), values.next()) {
        marks.push(Mark::named(&bytes(name)?, number(at)?)?);
    }
    Some(marks)
}

/// The commands that add marks of one class and enforce its bound and the `ttl` (milliseconds).
pub(super) fn add_commands(key: String, class: Class, marks: &[Mark], forgotten: i64, ttl: i64) -> [Cmd; 4] {
    let mut add = cmd("ZADD");
    // Of two marks with one name the later one is kept.
    add.arg(&key).arg("GT");
    for mark in marks.iter().filter(|mark| mark.class() == class) {
        add.arg(mark.at).arg(mark.name());
    }
    let mut forget = cmd("ZREMRANGEBYSCORE");
    forget.arg(&key).arg("-inf").arg(forgotten);
    let mut truncate = cmd("ZREMRANGEBYRANK");
    truncate.arg(&key).arg(0).arg(-1 - class.bound() as i64);
    let mut expire = cmd("PEXPIRE");
    expire.arg(&key).arg(ttl);
    [add, forget, truncate, expire]
}
