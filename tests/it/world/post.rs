//! The mailboxes: what one actor says to another arrives in the order in which it was said, and that is all.

use orchestrator::graph::inputs::EdgeOutcome;
use orchestrator::graph::node::AttemptEnd;
use orchestrator::graph::progress::JobEnd;
use orchestrator::graph::{EdgeId, JobIndex};

/// A message between the actors of the run or to the gate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Message {
    /// A node, or its graph after a look into the journal, tells of one edge.
    Input { from: Option<JobIndex>, to: JobIndex, edge: EdgeId, outcome: EdgeOutcome },
    /// A node's final word to its graph.
    Finished { job: JobIndex, end: JobEnd },
    /// `StopJob`.
    Stop(JobIndex),
    /// `ResumeJob`.
    Resume(JobIndex),
    /// `Nudge`.
    Nudge(JobIndex),
    /// `SlotGranted`.
    Granted(JobIndex),
    /// `SlotWanted`.
    Wanted(JobIndex),
    /// `SlotReleased` by the node, or by the graph that knows that the node needs it no longer.
    Released { job: JobIndex, by_graph: bool },
    /// The end of an attempt is heard once more.
    Again { job: JobIndex, attempt: u32, end: AttemptEnd },
}

/// Who may speak and be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Graph,
    Gate,
    Node(JobIndex),
    Past,
}

impl Message {
    fn channel(&self) -> (Party, Party) {
        match *self {
            Message::Input { from, to, .. } => (from.map_or(Party::Graph, Party::Node), Party::Node(to)),
            Message::Finished { job, .. } => (Party::Node(job), Party::Graph),
            Message::Stop(job) | Message::Resume(job) | Message::Nudge(job) => (Party::Graph, Party::Node(job)),
            Message::Granted(job) => (Party::Gate, Party::Node(job)),
            Message::Wanted(job) | Message::Released { job, by_graph: false } => (Party::Node(job), Party::Gate),
            Message::Released { by_graph: true, .. } => (Party::Graph, Party::Gate),
            Message::Again { job, .. } => (Party::Past, Party::Node(job)),
        }
    }

    /// Whether it tells of the end of a job.
    pub(super) fn is_word_of_an_end(&self) -> bool {
        matches!(self, Message::Input { .. } | Message::Finished { .. })
    }

    fn is_for_node(&self, job: JobIndex) -> bool {
        self.channel().1 == Party::Node(job)
    }
}

/// A message on its way, and whether the graph has had a look at its run since it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Letter {
    message: Message,
    is_old: bool,
}

/// All messages on their way, by sender and receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Post {
    letters: Vec<Letter>,
}

impl Post {
    pub(super) fn send(&mut self, message: Message) {
        let channel = message.channel();
        let at = self.letters.partition_point(|letter| letter.message.channel() <= channel);
        self.letters.insert(at, Letter { message, is_old: false });
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn message(&self, at: usize) -> &Message {
        &self.letters[at].message
    }

    /// Whether it is the next one of its sender to its receiver.
    pub(super) fn is_next(&self, at: usize) -> bool {
        at == 0 || self.letters[at - 1].message.channel() != self.letters[at].message.channel()
    }

    pub(super) fn take(&mut self, at: usize) -> Message {
        self.letters.remove(at).message
    }

    /// Nobody reads what is for a node that has ended.
    pub(super) fn burn(&mut self, job: JobIndex) {
        self.letters.retain(|letter| !letter.message.is_for_node(job));
    }

    /// The graph has a look: what is on its way now arrives before its next one.
    pub(super) fn grows_old(&mut self) {
        self.letters.iter_mut().for_each(|letter| letter.is_old = true);
    }

    /// Whether something is on its way since before the last look.
    pub(super) fn has_old(&self) -> bool {
        self.letters.iter().any(|letter| letter.is_old)
    }
}
