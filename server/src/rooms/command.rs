//! Running a command: the document is read, changed and written by the revision that was read.
//!
//! Without `If-Match` a command is planned again on what another assistant wrote meanwhile, so both hold. With it, the
//! second one is refused, and learns what the first one changed.

use qianmian_live::documents::{Author, Document, DocumentError};
use qianmian_live::rooms::commands::Refused;
use qianmian_live::rooms::{Difference, KIND, Room};
use xxhash_rust::xxh3::xxh3_64;

use super::{Rooms, parse, unknown_room};
use crate::live::{Live, document_problem, now_ms};
use crate::problem::{Code, Problem};

/// Attempts to write while others write the same room.
const TRIES: usize = 16;

/// The options of a command.
pub struct Command<'a> {
    /// The room.
    pub room_id: &'a str,
    /// Its name, for the history.
    pub name: &'static str,
    /// The key that makes it count once.
    pub key: Option<&'a str>,
    /// The content that two commands with one key must share, beside the name.
    pub words: Vec<u8>,
    /// The revision that it requires.
    pub if_revision: Option<u64>,
    /// The person who runs it.
    pub author: Author,
}

/// A command that was run.
pub struct Done<T> {
    /// The revision of the room: the new one, or of a repetition the current one.
    pub revision: u64,
    /// The result of the command; none for a repetition.
    pub outcome: Option<T>,
}

/// Another revision is current than the command requires.
pub struct Conflict {
    /// The current revision; 0 if there is no room.
    pub current: u64,
    /// The changes since the revision that the caller saw, if that is still kept.
    pub difference: Option<Difference>,
}

/// Why a command was not run.
pub enum Failed {
    /// Another revision is current.
    Conflict(Conflict),
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::Problem(problem(refused))
    }
}

impl Command<'_> {
    /// Runs a command on a room that is there.
    ///
    /// # Errors
    /// `change` refuses; the room is not there; another revision is current; the store does not answer.
    pub async fn run<T>(
        &self,
        rooms: &Rooms,
        live: &Live,
        mut change: impl FnMut(&mut Room, i64) -> Result<T, Refused>,
    ) -> Result<Done<T>, Failed> {
        let change = |room: Option<Room>, now| {
            let mut room = room.ok_or_else(unknown_room)?;
            let outcome = change(&mut room, now)?;
            Ok((room, outcome))
        };
        self.run_on_any(rooms, live, change).await
    }

    /// Runs a command that may make the room.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_on_any<T>(
        &self,
        rooms: &Rooms,
        live: &Live,
        mut change: impl FnMut(Option<Room>, i64) -> Result<(Room, T), Failed>,
    ) -> Result<Done<T>, Failed> {
        let fingerprint = self.fingerprint();
        for _ in 0..TRIES {
            let document = live.document(KIND, self.room_id).await?;
            let revision = document.as_ref().map_or(0, |document| document.revision);
            let room = document.map(|document| read(&document)).transpose()?;
            if let (Some(key), Some(room)) = (self.key, &room)
                && room.has_run(key, fingerprint)?
            {
                return Ok(Done { revision, outcome: None });
            }
            if self.if_revision.is_some_and(|required| required != revision) {
                return Err(self.conflict(live, revision, room.as_ref()).await);
            }
            let (mut room, outcome) = change(room, now_ms())?;
            self.name.clone_into(&mut room.command);
            if let Some(key) = self.key {
                room.remember(key, fingerprint);
            }
            let body = serde_json::to_string(&room).map_err(|error| {
                Problem::new(Code::Internal, format!("the room cannot be written: {error}"))
            })?;
            let written =
                live.try_write((KIND, self.room_id), Some(&body), Some(revision), self.author.clone()).await;
            match written {
                Ok(revision) => {
                    rooms.take(self.room_id, revision, Some(room)).await;
                    return Ok(Done { revision, outcome: Some(outcome) });
                }
                Err(DocumentError::Conflict { .. }) => {}
                Err(DocumentError::Invalid(fault)) if fault.field == "body" => {
                    let detail = format!("the room would be too long to be stored: {}", fault.reason);
                    return Err(Problem::new(Code::RoomFull, detail).into());
                }
                Err(error) => return Err(document_problem(error).into()),
            }
        }
        Err(Problem::new(Code::LiveUnavailable, "others keep changing the room; try again").into())
    }

    /// Deletes the room. A room that was deleted before stays so.
    ///
    /// # Errors
    /// There never was such a room; another revision is current; the store does not answer.
    pub async fn delete(&self, rooms: &Rooms, live: &Live) -> Result<Done<()>, Failed> {
        let written = live.try_write((KIND, self.room_id), None, self.if_revision, self.author.clone()).await;
        match written {
            Ok(revision) => {
                rooms.take(self.room_id, revision, None).await;
                Ok(Done { revision, outcome: Some(()) })
            }
            Err(DocumentError::Missing) => {
                let history = live.document_history(KIND, self.room_id).await?;
                let latest = history.first().ok_or_else(unknown_room)?;
                Ok(Done { revision: latest.revision, outcome: None })
            }
            Err(DocumentError::Conflict { current }) => {
                let room = live.document(KIND, self.room_id).await?;
                let room = room.map(|document| read(&document)).transpose()?;
                Err(self.conflict(live, current, room.as_ref()).await)
            }
            Err(error) => Err(document_problem(error).into()),
        }
    }

    /// Undoes the latest command; the numbers of products stay as they were given.
    ///
    /// # Errors
    /// There is nothing to undo; another revision is current; the store does not answer.
    pub async fn undo(&self, rooms: &Rooms, live: &Live) -> Result<Done<()>, Failed> {
        let restored = |current: &str, earlier: &str| {
            let (current, earlier) = (parse(Some(current))?, parse(Some(earlier))?);
            serde_json::to_string(&earlier.restored_over(&current)).ok()
        };
        let undone = live
            .undo_document_as((KIND, self.room_id), self.if_revision, self.author.clone(), restored)
            .await;
        match undone {
            Ok(revision) => {
                let document = live.document(KIND, self.room_id).await?;
                let room = document.as_ref().map(read).transpose()?;
                let current = document.map_or(revision, |document| document.revision);
                rooms.take(self.room_id, current, room).await;
                Ok(Done { revision, outcome: Some(()) })
            }
            Err(DocumentError::Conflict { current }) => {
                let room = live.document(KIND, self.room_id).await?;
                let room = room.map(|document| read(&document)).transpose()?;
                Err(self.conflict(live, current, room.as_ref()).await)
            }
            Err(error) => Err(document_problem(error).into()),
        }
    }

    /// The changes since the revision that the caller saw.
    async fn conflict(&self, live: &Live, current: u64, room: Option<&Room>) -> Failed {
        let history = live.document_history(KIND, self.room_id).await.unwrap_or_default();
        let seen = history.iter().find(|document| Some(document.revision) == self.if_revision);
        let seen = seen.and_then(|document| parse(document.body.as_deref()));
        let difference = seen.zip(room).map(|(seen, room)| Difference::between(&seen, room));
        Failed::Conflict(Conflict { current, difference })
    }

    fn fingerprint(&self) -> u64 {
        let words = [self.name.as_bytes(), b"\0", &self.words].concat();
        xxh3_64(&words)
    }
}

fn read(document: &Document) -> Result<Room, Problem> {
    let unreadable = || Problem::new(Code::Internal, "the stored room cannot be read");
    parse(document.body.as_deref()).ok_or_else(unreadable)
}

/// The problem with a refused command.
pub fn problem(refused: Refused) -> Problem {
    let code = match &refused {
        Refused::NotInRoom(_) => Code::NotInRoom,
        Refused::Full(_) => Code::RoomFull,
        Refused::WrongState { .. } | Refused::Transition { .. } => Code::WrongState,
        Refused::OffShelf(_) => Code::OffShelf,
        Refused::NotBuyable(_) => Code::NotBuyable,
        Refused::PushRunning { .. } => Code::PushRunning,
        Refused::SaleRunning(_) => Code::SaleRunning,
        Refused::NoSale(_) => Code::NoSale,
        Refused::KeyReused => Code::KeyConflict,
        Refused::Invalid(_) => Code::InvalidField,
    };
    match refused {
        Refused::Invalid(fault) => Problem::new(code, fault.reason).at_field(fault.field),
        refused => Problem::new(code, refused.to_string()),
    }
}
