//! What goes into one transaction of the journal.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use actix::clock::Instant;

use super::command::Command;

/// Most commands in one transaction: bounds the time until the first of them is acknowledged.
const LARGEST_BATCH: usize = 4096;

/// How long records that nobody waits for are held for others: the next call to a service usually follows within it, and
/// then one fsync does for both. What is lost with it when the process dies is at most that a service has answered.
pub(super) const MOMENT: Duration = Duration::from_micros(500);

/// Everything that waits; as long as nobody is in a hurry for any of it, also what comes within a moment.
///
/// `first` comes before everything else. Empty only if there is nothing at all.
pub(super) fn gather(first: Vec<Command>, queue: &Receiver<Command>, moment: Duration) -> Vec<Command> {
    let mut batch = first;
    batch.extend(queue.try_iter().take(LARGEST_BATCH));
    let mut somebody_waits = batch.is_empty() || batch.iter().any(Command::is_waited_for);
    let until = Instant::now() + moment;
    while !somebody_waits && batch.len() < LARGEST_BATCH {
        let Ok(next) = queue.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
        somebody_waits = next.is_waited_for();
        batch.push(next);
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::sync::oneshot;

    use super::*;
    use crate::store::Record;
    use crate::store::sqlite::Time;

    /// Longer than a test may take.
    const HOUR: Duration = Duration::from_secs(3600);

    fn append(record: Record) -> Command {
        let time = Time { at: 0, tick: 0 };
        Command::Append { run_id: 1, time, record: Box::new(record), reply: oneshot::channel().0 }
    }

    fn answered() -> Command {
        append(Record::JobStartAcknowledged { job: 0, attempt: 1, service: "cleaning".to_owned() })
    }

    fn intent() -> Command {
        append(Record::JobPreparing { job: 1, attempt: 1 })
    }

    #[test]
    fn who_is_waited_for_waits_for_nobody() {
        let (_open, queue) = channel();
        assert_eq!(gather(vec![answered(), intent()], &queue, HOUR).len(), 2);
        assert_eq!(gather(vec![Command::Flush(oneshot::channel().0)], &queue, HOUR).len(), 1);
        assert_eq!(gather(vec![], &queue, HOUR).len(), 0);
    }

    #[test]
    fn who_is_not_waited_for_goes_with_the_next_one_who_is() {
        let (commands, queue) = channel();
        let later = std::thread::spawn(move || {
            for command in [answered(), intent(), answered()] {
                commands.send(command).unwrap();
            }
            commands
        });
        let batch = gather(vec![answered()], &queue, HOUR);
        let waited_for = batch.iter().position(Command::is_waited_for);
        assert_eq!(waited_for, Some(2), "the intent ends the wait, and the order is kept");
        drop(later.join().unwrap());
    }

    #[test]
    fn nobody_is_held_for_longer_than_a_moment() {
        let (_open, queue) = channel();
        assert_eq!(gather(vec![answered()], &queue, Duration::from_millis(1)).len(), 1);
    }

    #[test]
    fn a_closed_queue_ends_the_wait() {
        let (closed, queue) = channel();
        drop(closed);
        assert_eq!(gather(vec![answered()], &queue, HOUR).len(), 1);
    }
}
