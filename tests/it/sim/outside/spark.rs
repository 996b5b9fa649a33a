//! The Spark component: one message is one run, the reply comes at its end and says nothing, the evidence is in the object
//! store.

use super::services::spark_takes;
use super::stores::GRAPH_BUCKET;
use super::{Due, Outside};
use crate::sim::dice::{Rolls, dice_of};
use crate::sim::plan::Time;

/// One run.
#[derive(Debug, Clone)]
pub(in crate::sim) struct SparkRun {
    pub(in crate::sim) start: usize,
    pub(in crate::sim) output: String,
    pub(in crate::sim) job_id: String,
    pub(in crate::sim) ends: Option<Time>,
    pub(in crate::sim) leaves_evidence: bool,
    /// Whether the caller will hear of its end.
    pub(in crate::sim) replies: bool,
}

impl Outside {
    /// A message has arrived: the run begins.
    pub(in crate::sim) fn begin_spark(&mut self, start: usize, now: Time) -> SparkRun {
        self.starts[start].arrived = Some(now);
        self.starts[start].taken = true;
        let Some(output) = self.starts[start].output.clone() else { unreachable!("a message names its output") };
        let number = self.spark.iter().filter(|run| run.output == output).count();
        let mut dice = dice_of(self.seed, &format!("spark {output} {number}"));
        let endless = dice.odds(self.faults.endless_jobs);
        let ends = (!endless).then(|| now + spark_takes(&mut dice));
        let leaves_evidence = !dice.odds(self.faults.no_evidence);
        let replies = !dice.odds(self.faults.lost_reply / 2);
        let job_id = self.starts[start].wire_id.clone();
        let run = SparkRun { start, output, job_id, ends, leaves_evidence, replies };
        if let Some(ends) = ends {
            self.schedule(ends, Due::SparkEnds(self.spark.len()));
        }
        self.spark.push(run.clone());
        run
    }

    /// A run ends: result, charts and evidence are there at once.
    pub(super) fn end_spark(&mut self, run: usize) {
        let SparkRun { output, job_id, leaves_evidence, .. } = self.spark[run].clone();
        if leaves_evidence {
            let (bucket, key) = output.split_once('/').unwrap_or(("", &output));
            self.objects.put(bucket, &format!("{key}/part-0.csv"));
            self.objects.put(bucket, &format!("{key}/_SUCCESS"));
            self.objects.put(GRAPH_BUCKET, &format!("{job_id}/roc.html"));
        }
    }
}
