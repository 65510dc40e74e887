//! Passwords: which are taken, and how they are kept. Slow on purpose: call [`hash`] on a blocking thread.

use crate::token;
use argon2::{Argon2, password_hash::PasswordHasher as _};

/// As MLflow has it.
const SHORTEST: usize = 12;
/// Longer ones only cost time.
const LONGEST: usize = 1024;

/// A password that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too easy to find.
    #[error("Password must be at least 12 characters.")]
    Short,
    /// Too long.
    #[error("Password must be at most 1024 bytes.")]
    Long,
    /// It would be taken for a token when it is sent.
    #[error("Password must not begin like a token (ms_, mso_, msu_, mst_).")]
    Token,
}

/// Checks a password that somebody chose.
///
/// # Errors
/// [`Unfit`] says what is wrong with it.
pub fn check(password: &str) -> Result<(), Unfit> {
    if password.chars().count() < SHORTEST {
        return Err(Unfit::Short);
    }
    if password.len() > LONGEST {
        return Err(Unfit::Long);
    }
    if token::looks_like(password) {
        return Err(Unfit::Token);
    }
    Ok(())
}

/// What is stored in its place: argon2id with a salt of its own.
///
/// # Panics
/// Never: argon2's default parameters are valid.
pub fn hash(secret: &str) -> String {
    Argon2::default()
        .hash_password(secret.as_bytes())
        .expect("argon2's default parameters are valid")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken() {
        for (password, expect) in [
            ("elevenchars", Err(Unfit::Short)),
            ("twelve chars", Ok(())),
            ("zwölf Zeichen", Ok(())),
            ("ms_123456789012", Err(Unfit::Token)),
            (&"x".repeat(1024), Ok(())),
            (&"x".repeat(1025), Err(Unfit::Long)),
        ] {
            assert_eq!(check(password), expect, "{password:.20}");
        }
    }
}
