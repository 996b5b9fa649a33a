//! What somebody in a line can be told about it.

/// Where somebody stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The limits that keep him there: at least one, unless the line is closed.
    pub reached: Vec<Reached>,
    /// Nobody is let in at this moment, whatever is free.
    pub closed: bool,
    /// How many of the same tenant come before, for the same thing.
    pub ahead: usize,
}

/// A limit with nothing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Which one.
    pub limit: Limit,
    /// In use; more than `most` after it was lowered.
    pub used: usize,
    /// What it allows.
    pub most: usize,
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of everybody together.
    Total,
    /// Of the tenant.
    Tenant,
    /// Of the service.
    Service,
    /// Of the run itself: `max-parallel`.
    Run,
}

impl Reached {
    /// Those of the limits that have nothing left.
    pub(super) fn among(limits: impl IntoIterator<Item = (Limit, usize, usize)>) -> Vec<Self> {
        let all = limits.into_iter().map(|(limit, used, most)| Self { limit, used, most });
        all.filter(|limit| limit.used >= limit.most).collect()
    }
}
