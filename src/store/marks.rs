//! Which runs were being recovered when the process crashed, and how often: a run that ends the process again and again
//! must not keep all the others from going on.
//!
//! Runs are marked before they are touched and the marks go when others are. Marks that a start of the process finds are
//! from a process that did not live to remove them. One of several may be innocent, so all of them only become suspects; a
//! suspect is marked alone, and what was marked alone is charged with the crash.
//!
//! `crashes` is -1 for a run that is no suspect, else how often the process has crashed while it was marked alone.

use std::collections::BTreeMap;

use rusqlite::Connection;

/// What the marks that are left say of the process before this one. To be called once per start.
pub(super) fn count_crashes(db: &Connection) -> rusqlite::Result<()> {
    let marked: u32 = db.query_row("SELECT count(*) FROM recovering WHERE marked = 1", [], |row| row.get(0))?;
    let alone = u32::from(marked == 1);
    db.execute("UPDATE recovering SET crashes = max(crashes, 0) + ?1, marked = 0 WHERE marked = 1", [alone])?;
    Ok(())
}

/// These runs, and no others, are being recovered from now on. What earlier crashes say of the ones that were until now
/// stays.
pub(super) fn mark(db: &Connection, runs: &[i64]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM recovering WHERE marked = 1 AND crashes < 0", [])?;
    db.execute("UPDATE recovering SET marked = 0 WHERE marked = 1", [])?;
    let mut mark = db.prepare_cached(
        "INSERT INTO recovering (run_id, crashes, marked) VALUES (?1, -1, 1)
         ON CONFLICT (run_id) DO UPDATE SET marked = 1",
    )?;
    for run_id in runs {
        mark.execute([run_id])?;
    }
    Ok(())
}

/// This run has survived being recovered: it is not marked any more, and its crashes are forgotten.
pub(super) fn forgive(db: &Connection, run_id: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM recovering WHERE run_id = ?1", [run_id])?;
    Ok(())
}

/// The suspects, and with how many crashes each is charged.
pub(super) fn crashes(db: &Connection) -> rusqlite::Result<BTreeMap<i64, u32>> {
    db.prepare_cached("SELECT run_id, crashes FROM recovering WHERE crashes >= 0")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// Starts the process on this file: what it knows of crashes then.
    fn start(db: &Connection) -> Vec<(i64, u32)> {
        count_crashes(db).expect("counts");
        crashes(db).expect("reads").into_iter().collect()
    }

    fn file() -> Connection {
        let db = Connection::open_in_memory().expect("opens");
        schema::bring_up_to_date(&db).expect("makes its tables");
        db
    }

    #[test]
    fn several_runs_that_are_marked_at_a_crash_become_suspects_and_a_single_one_is_charged() {
        let db = file();
        assert_eq!(start(&db), []);
        mark(&db, &[1, 2]).expect("marks");
        mark(&db, &[3, 4]).expect("marks");
        assert_eq!(start(&db), [(3, 0), (4, 0)]);
        assert_eq!(start(&db), [(3, 0), (4, 0)], "a start that marked nothing charges nobody");
        mark(&db, &[5]).expect("marks");
        assert_eq!(start(&db), [(3, 0), (4, 0), (5, 1)]);
    }

    #[test]
    fn however_often_the_process_dies_with_several_marked_none_of_them_is_charged() {
        let db = file();
        for _ in 0..9 {
            mark(&db, &[1, 2]).expect("marks");
            assert_eq!(start(&db), [(1, 0), (2, 0)]);
        }
    }

    #[test]
    fn a_run_keeps_its_crashes_until_it_is_forgiven() {
        let db = file();
        mark(&db, &[1, 2, 3]).expect("marks");
        assert_eq!(start(&db), [(1, 0), (2, 0), (3, 0)]);
        mark(&db, &[1]).expect("marks");
        forgive(&db, 1).expect("forgives");
        mark(&db, &[2]).expect("marks");
        assert_eq!(start(&db), [(2, 1), (3, 0)]);
        mark(&db, &[2]).expect("marks");
        mark(&db, &[]).expect("marks");
        assert_eq!(start(&db), [(2, 1), (3, 0)], "an end that was no crash neither charges nor forgives");
        mark(&db, &[2]).expect("marks");
        assert_eq!(start(&db), [(2, 2), (3, 0)]);
        for run_id in [3, 2] {
            mark(&db, &[run_id]).expect("marks");
            forgive(&db, run_id).expect("forgives");
        }
        assert_eq!(start(&db), []);
    }
}
