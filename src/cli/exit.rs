//! How a command ends.

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It worked; a watched analysis succeeded.
    Succeeded,
    /// A watched analysis failed, or the command itself.
    Failed,
    /// Wrong usage, configuration or playbook.
    Usage,
    /// A watched analysis was cancelled.
    Cancelled,
    /// A watched analysis passed its deadline.
    DeadlinePassed,
    /// The server cannot be reached.
    Unreachable,
    /// The server has too much to do.
    Limited,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Succeeded => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Cancelled => 3,
            Exit::DeadlinePassed => 4,
            Exit::Unreachable => 5,
            Exit::Limited => 6,
        }
    }
}

/// Why a command did not work: what, where, what to try.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

/// What every command answers.
pub(super) type CommandResult = Result<Exit, Failure>;
