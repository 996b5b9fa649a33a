//! Files and sockets: the system allows only so many, and clients must not take those that the work needs.

/// Files of the orchestrator itself: stores, event loops, listeners.
const OWN_FILES: u64 = 48;

/// actix-web's own limit of connections per worker.
const MOST_PER_WORKER: u64 = 25_600;

/// Below this the operator is told.
const COMFORTABLE: u64 = 4_096;

/// Raises the process' limit of open files as far as the system lets it; answers how many connections each of so many
/// HTTP workers may hold. Those beyond wait to be accepted: half of what is there belongs to the calls of services and
/// stores, which would fail for the lack of it.
pub(super) fn connections_per_worker(workers: usize) -> usize {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => {
            if files < COMFORTABLE {
                log::warn!("only {files} files and sockets may be open at once: raise the limit (ulimit -n)");
            }
            share(files, workers as u64) as usize
        }
        Err(error) => {
            log::warn!("the limit of open files cannot be read: {error}");
            MOST_PER_WORKER as usize
        }
    }
}

fn share(files: u64, workers: u64) -> u64 {
    let incoming = files.saturating_sub(OWN_FILES) / 2;
    (incoming / workers.max(1)).clamp(1, MOST_PER_WORKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_half_of_what_the_orchestrator_does_not_need_for_itself() {
        assert_eq!(share(1_048, 2), 250);
        assert_eq!(share(64, 2), 4);
        assert_eq!(share(10, 2), 1, "never none: nobody could ever come in");
        assert_eq!(share(u64::MAX, 2), MOST_PER_WORKER);
    }
}
