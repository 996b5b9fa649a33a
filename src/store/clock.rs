//! A clock that only goes forward, over restarts too. Time limits are decided by its ticks, never by the wall clock, which
//! people set and which may jump by hours.
//!
//! A tick is a millisecond of a count that begins with the data directory. Within a process it follows the monotonic clock;
//! from one process to the next the time since the machine's boot tells what has passed; over a reboot only the wall clock
//! knows, and is believed within limits.

use std::path::Path;

use actix::clock::Instant;
use rusqlite::{Connection, OptionalExtension, params};

use super::Millis;
use super::writer::wall_clock;

/// Most that is believed to have passed over a reboot: 30 days.
const LONGEST_GAP: Millis = 30 * 24 * 60 * 60 * 1000;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";

/// A point on the machine's own clock. Points of different boots cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SinceBoot {
    boot: String,
    uptime: Millis,
}

/// What the machine's clocks say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    since_boot: Option<SinceBoot>,
    wall: Millis,
}

/// A moment of which the tick is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Anchor {
    tick: Millis,
    reading: Reading,
}

/// The present tick, when `started` was written as the last process started and `last` with the newest record. It is
/// never before either of them.
fn resume(started: Option<&Anchor>, last: Option<&Anchor>, now: &Reading) -> Millis {
    let known = started.into_iter().chain(last);
    let latest = known.clone().map(|anchor| anchor.tick).max().unwrap_or(0);
    let since_boot = known.clone().find_map(|anchor| Some(anchor.tick + passed_since_boot(anchor, now)?));
    let by_wall_clock = || {
        let newest = known.max_by_key(|anchor| anchor.tick)?;
        let passed = now.wall.saturating_sub(newest.reading.wall);
        Some(newest.tick + passed.clamp(0, LONGEST_GAP))
    };
    since_boot.or_else(by_wall_clock).unwrap_or(0).max(latest)
}

/// What has passed on the machine's own clock, if it is the same boot.
fn passed_since_boot(anchor: &Anchor, now: &Reading) -> Option<Millis> {
    let (before, now) = (anchor.reading.since_boot.as_ref()?, now.since_boot.as_ref()?);
    (before.boot == now.boot && before.uptime <= now.uptime).then(|| now.uptime - before.uptime)
}

/// The clock of a running process.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    began: Anchor,
    since: Instant,
}

impl Clock {
    /// Goes on where the clock of this file was left.
    pub(super) fn resume(db: &Connection) -> rusqlite::Result<Self> {
        let (since, now) = (Instant::now(), Reading::take());
        let tick = resume(read_start(db)?.as_ref(), read_last(db)?.as_ref(), &now);
        Ok(Self { began: Anchor { tick, reading: now }, since })
    }

    /// Writes down where it began, for the process after this one.
    pub(super) fn remember(&self, db: &Connection) -> rusqlite::Result<()> {
        write_start(db, &self.began)
    }

    /// The present tick.
    pub(super) fn tick(&self) -> Millis {
        self.began.tick.saturating_add(self.since.elapsed().as_millis() as Millis)
    }
}

impl Reading {
    fn take() -> Self {
        Self { since_boot: SinceBoot::read(Path::new(BOOT_ID), Path::new(UPTIME)), wall: wall_clock() }
    }
}

impl SinceBoot {
    /// Nothing where the system does not say.
    fn read(boot: &Path, uptime: &Path) -> Option<Self> {
        let boot = std::fs::read_to_string(boot).ok()?.trim().to_owned();
        let uptime = parse_uptime(&std::fs::read_to_string(uptime).ok()?)?;
        (!boot.is_empty()).then_some(Self { boot, uptime })
    }
}

/// *Shape*: seconds with two decimals, a space, something else.
fn parse_uptime(text: &str) -> Option<Millis> {
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as Millis)
}

/// What the last start of a process has written down.
fn read_start(db: &Connection) -> rusqlite::Result<Option<Anchor>> {
    db.query_row("SELECT tick, boot, uptime, wall FROM clock", [], |row| {
        let (boot, uptime): (Option<String>, Option<Millis>) = (row.get(1)?, row.get(2)?);
        let since_boot = boot.zip(uptime).map(|(boot, uptime)| SinceBoot { boot, uptime });
        Ok(Anchor { tick: row.get(0)?, reading: Reading { since_boot, wall: row.get(3)? } })
    })
    .optional()
}

fn write_start(db: &Connection, anchor: &Anchor) -> rusqlite::Result<()> {
    let Anchor { tick, reading: Reading { since_boot, wall } } = anchor;
    let (boot, uptime) = (since_boot.as_ref().map(|at| &at.boot), since_boot.as_ref().map(|at| at.uptime));
    db.execute("DELETE FROM clock", [])?;
    db.execute(
        "INSERT INTO clock (tick, boot, uptime, wall) VALUES (?1, ?2, ?3, ?4)",
        params![tick, boot, uptime, wall],
    )?;
    Ok(())
}

/// The newest record knows its tick and the wall clock. Records of a file that had no ticks count by the wall clock.
fn read_last(db: &Connection) -> rusqlite::Result<Option<Anchor>> {
    db.query_row("SELECT coalesce(tick, at), at FROM journal ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok(Anchor { tick: row.get(0)?, reading: Reading { since_boot: None, wall: row.get(1)? } })
    })
    .optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 60 * 60 * 1000;
    const DAY: Millis = 24 * HOUR;
    /// The wall clock when the last process started, and its newest record a minute later.
    const STARTED: Millis = 1_700_000_000_000;
    const MINUTE: Millis = 60 * 1000;

    fn on_boot(boot: &str, uptime: Millis, wall: Millis) -> Reading {
        Reading { since_boot: Some(SinceBoot { boot: boot.to_owned(), uptime }), wall }
    }

    fn started() -> Anchor {
        Anchor { tick: 5_000, reading: on_boot("a", HOUR, STARTED) }
    }

    fn last() -> Anchor {
        Anchor { tick: 5_000 + MINUTE, reading: Reading { since_boot: None, wall: STARTED + MINUTE } }
    }

    #[track_caller]
    fn passed(now: &Reading) -> Millis {
        resume(Some(&started()), Some(&last()), now) - last().tick
    }

    #[test]
    fn on_the_same_boot_the_wall_clock_may_say_what_it_likes() {
        let uptime = HOUR + MINUTE + 10_000;
        let honest = STARTED + MINUTE + 10_000;
        for jump in [0, HOUR, -HOUR, DAY, -DAY, 400 * DAY, -400 * DAY, -honest] {
            assert_eq!(passed(&on_boot("a", uptime, honest + jump)), 10_000, "jump of {jump} ms");
        }
    }

    #[test]
    fn over_a_reboot_the_wall_clock_is_believed_within_limits() {
        let honest = STARTED + MINUTE + 10_000;
        let table = [
            ("honest", honest, 10_000),
            ("an hour ahead", honest + HOUR, HOUR + 10_000),
            ("an hour back", honest - HOUR, 0),
            ("a day ahead", honest + DAY, DAY + 10_000),
            ("a day back", honest - DAY, 0),
            ("frozen", STARTED + MINUTE, 0),
            ("years ahead", honest + 4000 * DAY, 30 * DAY),
            ("at the beginning of time", 0, 0),
            ("at the end of time", Millis::MAX, 30 * DAY),
        ];
        for (what, wall, expected) in table {
            assert_eq!(passed(&on_boot("b", 20_000, wall)), expected, "{what}, after a reboot");
            assert_eq!(passed(&Reading { since_boot: None, wall }), expected, "{what}, uptime unknown");
            assert_eq!(passed(&on_boot("a", 20_000, wall)), expected, "{what}, uptime of something else");
        }
    }

    #[test]
    fn a_process_that_wrote_nothing_is_counted_too() {
        let after = |now: &Reading| resume(Some(&started()), None, now) - started().tick;
        assert_eq!(after(&on_boot("a", HOUR + 7, STARTED - DAY)), 7);
        assert_eq!(after(&on_boot("b", 0, STARTED + 7)), 7);
    }

    #[test]
    fn a_record_is_never_in_the_future() {
        let ahead = Anchor { tick: 9 * HOUR, ..last() };
        assert_eq!(resume(Some(&started()), Some(&ahead), &on_boot("a", HOUR + MINUTE, STARTED)), 9 * HOUR);
    }

    #[test]
    fn a_new_file_begins_at_nought_and_an_old_one_where_its_records_end() {
        assert_eq!(resume(None, None, &on_boot("a", HOUR, STARTED)), 0);
        let old = Anchor { tick: STARTED, reading: Reading { since_boot: None, wall: STARTED } };
        assert_eq!(resume(None, Some(&old), &on_boot("a", HOUR, STARTED + 5)), STARTED + 5);
    }

    #[test]
    fn the_uptime_is_read_as_the_system_writes_it() {
        assert_eq!(parse_uptime("550.28 342.38\n"), Some(550_280));
        for text in ["", "x 1", "-1.0 2", "inf 1", "NaN 1"] {
            assert_eq!(parse_uptime(text), None, "{text:?}");
        }
        assert_eq!(SinceBoot::read(Path::new("/nowhere"), Path::new(UPTIME)), None);
    }
}
