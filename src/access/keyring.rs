//! The tokens that are valid at the moment, and who holds them.

use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{Holder, Role, Scope, SharedHolder};

/// The name under which requests with `DIASTEMA_KEY` are recorded; no token of the file may have it.
pub const SHARED_KEY: &str = "shared-key";

/// SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// The digest under which a token is known.
pub fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// Every valid token, by its digest: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub struct Keyring {
    known: Vec<(TokenDigest, SharedHolder)>,
}

impl Keyring {
    /// Tokens of a file.
    pub fn new(known: impl IntoIterator<Item = (TokenDigest, Holder)>) -> Self {
        Self { known: known.into_iter().map(|(digest, holder)| (digest, Arc::new(holder))).collect() }
    }

    /// With a key that is everybody's: every tenant, every role.
    #[must_use]
    pub fn with_shared_key(mut self, key: &str) -> Self {
        let holder = Holder { name: SHARED_KEY.to_owned(), scope: Scope::All, roles: [Role::Admin].into() };
        self.known.push((digest(key), Arc::new(holder)));
        self
    }

    /// How many tokens are valid.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody can come in.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose token this is. Every digest is compared, whole, whatever the outcome of the others.
    pub fn holder(&self, token: &str) -> Option<&SharedHolder> {
        let given = digest(token);
        let (mut found, mut at) = (Choice::from(0), 0_u32);
        for (position, (known, _)) in (0_u32..).zip(&self.known) {
            let equal = given.ct_eq(known);
            at.conditional_assign(&position, equal);
            found |= equal;
        }
        bool::from(found).then(|| self.known.get(at as usize).map(|(_, holder)| holder)).flatten()
    }
}

/// The keyring of the running program; another one may take its place at any time.
#[derive(Debug)]
pub struct Access {
    keyring: RwLock<Arc<Keyring>>,
}

impl Access {
    /// Begins with these tokens.
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring: RwLock::new(Arc::new(keyring)) }
    }

    /// From now on only these tokens are valid; requests that were let in before are not sent away.
    pub fn replace(&self, keyring: Keyring) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }

    /// Whose token this is at the moment.
    pub fn holder(&self, token: &str) -> Option<SharedHolder> {
        let keyring = Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner));
        keyring.holder(token).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Holder {
        Holder { name: name.to_owned(), scope: Scope::All, roles: [Role::Read].into() }
    }

    #[test]
    fn every_token_finds_its_own_holder_and_nothing_else_does() {
        let names = ["first", "second", "third"];
        let keyring = Keyring::new(names.map(|name| (digest(&format!("token of {name}")), named(name))))
            .with_shared_key("everybody's")
            .with_shared_key("everybody's until now");
        for name in names {
            assert_eq!(keyring.holder(&format!("token of {name}")).unwrap().name, name);
        }
        for key in ["everybody's", "everybody's until now"] {
            let holder = keyring.holder(key).unwrap();
            assert_eq!((holder.name.as_str(), &holder.scope), (SHARED_KEY, &Scope::All));
            assert!(Role::ALL.iter().all(|role| holder.may(*role)));
        }
        for wrong in ["", "token of", "token of first ", "Token of first", "everybody's\0"] {
            assert!(keyring.holder(wrong).is_none(), "{wrong:?}");
        }
        assert!(Keyring::default().holder("").is_none());
    }

    #[test]
    fn a_role_is_for_itself_and_admin_is_for_all() {
        let reader = named("reader");
        assert_eq!(Role::ALL.map(|role| reader.may(role)), [false, true, false, false]);
        let admin = Holder { roles: [Role::Admin].into(), ..reader };
        assert!(Role::ALL.iter().all(|role| admin.may(*role)));
    }

    #[test]
    fn a_keyring_that_took_anothers_place_is_the_only_one() {
        let access = Access::new(Keyring::new([(digest("old"), named("old"))]));
        let let_in = access.holder("old").unwrap();
        access.replace(Keyring::new([(digest("new"), named("new"))]));
        assert!(access.holder("old").is_none());
        assert_eq!(access.holder("new").unwrap().name, "new");
        assert_eq!(let_in.name, "old");
    }
}
