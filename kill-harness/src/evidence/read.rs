//! Reads ledger entries: which job of which analysis, which run, which start.

use dummy_services::{End, Kind as Service, LedgerEntry};
use serde_json::Value;

use super::{Ended, Evidence, Known, Start, Told, cannot_be_asked};
use crate::contract::{self, StartOf};

/// Most reports kept of what belongs to nobody.
const REPORTS: usize = 100;

impl Evidence {
    /// Takes in what arrived since the last time.
    pub(crate) fn read(&mut self, entries: Vec<LedgerEntry>, ends: Vec<End>) {
        self.entries += entries.len() as u64;
        for entry in entries {
            self.now = entry.seq + 1;
            self.read_entry(&entry);
        }
        for end in ends {
            match self.which(end.kind, &end.id) {
                Some((analysis, job, which)) => {
                    let End { seq, kind: service, well, .. } = end;
                    self.seen[analysis].ends.push(Ended { seq, job, service, which, well });
                }
                None => self.report_foreign(format!("the end of {} {}", end.kind, end.id)),
            }
        }
    }

    fn read_entry(&mut self, entry: &LedgerEntry) {
        match entry.service.as_str() {
            "POST /messages" => self.read_notice(entry),
            "GET /function/progress" => {
                let id = text(&entry.body["id"]);
                if !self.functions.contains(&id) {
                    self.wedged.push(id);
                }
            }
            "POST /data-cleaning" => self.read_start(entry, Service::Cleaning, &entry.body["job-id"]),
            "POST /join" => self.read_start(entry, Service::Join, &entry.body["job-id"]),
            "POST /function" => {
                self.functions.insert(text(&entry.body["job-id"]));
                self.read_start(entry, Service::Function, &entry.body["job-id"]);
            }
            "POST /automl" => self.read_start(entry, Service::Automl, &entry.body["job-id"]),
            "POST /data-sink" => self.read_start(entry, Service::DataSink, &entry.body["message"]["data"]),
            "SPARK" => self.read_start(entry, Service::Spark, &entry.body["job-id"]),
            // questions and redirects start nothing
            other if other.starts_with("GET ") || other.starts_with("308 ") => {}
            other => self.report_foreign(format!("a request {other}")),
        }
    }

    fn read_start(&mut self, entry: &LedgerEntry, service: Service, id: &Value) {
        let id = text(id);
        match self.which(service, &id) {
            Some((analysis, job, which)) => {
                self.seen[analysis].starts.push(Start { seq: entry.seq, job, service, which });
                self.reopen_for(analysis, which);
                if let Some(run) = which.map(|which| which.run).filter(|_| cannot_be_asked(service)) {
                    let seen = &self.seen[analysis];
                    if seen.repeated(run) > seen.announced.get(&run).copied().unwrap_or(0) {
                        self.unsure.insert((analysis, run));
                    }
                }
            }
            None => self.report_foreign(format!("a start of {id} at {service}")),
        }
    }

    /// A start of a run that nobody knew of: the client's answer to it was lost.
    fn reopen_for(&mut self, analysis: usize, which: Option<StartOf>) {
        let run = which.map_or(1, |start| start.run);
        if !self.has_ended(analysis, run) && !self.seen[analysis].acknowledged.is_empty() {
            self.open.insert(analysis);
        }
    }

    fn read_notice(&mut self, entry: &LedgerEntry) {
        let event = entry.headers.get("idempotency-key").map_or("", String::as_str);
        let Some((analysis, run, number)) = self.event(event) else {
            return self.report_foreign(format!("a notice with the event id `{event}`"));
        };
        let text = notice_text(entry.body.as_str().unwrap_or_default());
        if self.finals.get(&text) == Some(&analysis) {
            self.ended.insert((analysis, run));
        }
        let told = Told { seq: entry.seq, text: text.clone(), times: 0 };
        let told = self.seen[analysis].notices.entry(run).or_default().entry(number).or_insert(told);
        told.times += 1;
        if told.text != text {
            let changed = format!("the notice {event} said `{}` and then `{text}`", told.text);
            self.report_foreign(changed);
        }
        self.close_if_over(analysis);
    }

    /// *Shape*: `<analysis>/<run>/<number>`.
    fn event(&self, event: &str) -> Option<(usize, u32, u32)> {
        let mut parts = event.rsplitn(3, '/');
        let number = parts.next()?.parse().ok()?;
        let run = parts.next()?.parse().ok()?;
        let analysis = self.by_analysis.get(&parts.next()?.to_lowercase())?;
        Some((*analysis, run, number))
    }

    /// Whose start an id at a service is.
    fn which(&mut self, service: Service, id: &str) -> Option<(usize, usize, Option<StartOf>)> {
        let id = id.to_lowercase();
        if let Some((analysis, job)) = self.by_job.get(&id) {
            let always_plain = matches!(service, Service::Spark | Service::DataSink);
            return Some((*analysis, *job, (!always_plain).then_some(StartOf::PLAIN)));
        }
        let (base, suffix) = id.rsplit_once('-')?;
        let (analysis, job) = *self.by_job.get(base)?;
        if let Some(known) = self.by_wire_id.get(&id) {
            return Some((analysis, job, Some(*known)));
        }
        let Known { tenant, key, steps } = &self.analyses[analysis];
        let is_it = |start: &StartOf| contract::suffix(tenant, key, &steps[job], *start) == suffix;
        let start = StartOf::all().find(is_it)?;
        self.by_wire_id.insert(id, start);
        Some((analysis, job, Some(start)))
    }

    fn report_foreign(&mut self, what: String) {
        if self.foreign.len() < REPORTS {
            self.foreign.push(what);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// *Shape* of the form: `message=<kind>&<kind>=<text>`.
fn notice_text(form: &str) -> String {
    let kind = form.strip_prefix("message=").and_then(|rest| rest.split('&').next()).unwrap_or_default();
    let value = form.split('&').find_map(|pair| pair.strip_prefix(kind)?.strip_prefix('=')).unwrap_or_default();
    format!("{kind}: {}", decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                hex::decode(digits).ok().and_then(|decoded| decoded.first().copied()).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_from_its_form() {
        let form = "message=error&error=%C3%84+%26+b%2Bc+for+the+analysis+with+ID%3A+x";
        assert_eq!(notice_text(form), "error: Ä & b+c for the analysis with ID: x");
    }
}
