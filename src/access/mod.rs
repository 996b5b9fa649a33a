//! Who may come in and what they may do: tokens, roles, tenants.
//!
//! Pure but for the lock around what is valid at the moment. [`tokens`] reads the file of token hashes, [`keyring`] finds
//! the holder of a token without giving away by its time how close a wrong one was. HTTP asks, the command line reloads.

pub mod keyring;
pub mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use keyring::{Access, Keyring};

use crate::playbook::TenantId;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Submitting and validating documents, test calls of ingestions.
    Submit,
    /// Looking at runs.
    Read,
    /// Cancel, pause, resume, rerun.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, in the order of documents.
    pub const ALL: [Role; 4] = [Role::Submit, Role::Read, Role::Operate, Role::Admin];

    /// The word of token files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Submit => "submit",
            Role::Read => "read",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

/// Whose runs a token reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every tenant's, also of those that do not exist yet.
    All,
    /// Only theirs.
    Only(BTreeSet<TenantId>),
}

impl Scope {
    /// Whether a tenant's runs are within reach.
    pub fn reaches(&self, tenant: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(tenants) => tenants.iter().any(|known| known.as_str() == tenant),
        }
    }
}

/// Whom a token was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name in the token file; [`keyring::SHARED_KEY`] for `DIASTEMA_KEY`.
    pub name: String,
    /// Whose runs it reaches.
    pub scope: Scope,
    /// What it may be used for.
    pub roles: BTreeSet<Role>,
}

impl Holder {
    /// Whether the token may be used for this.
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role) || self.roles.contains(&Role::Admin)
    }
}

/// Holders are shared by everything that one of their requests leaves behind.
pub type SharedHolder = Arc<Holder>;
