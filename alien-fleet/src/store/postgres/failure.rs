//! What a failure of the database means to whoever uses the store.

use alien_core::{Error, ErrorKind};

/// The error for a failure. It has the words of the database, not its details: those can have parts of documents.
pub(super) fn told(error: &tokio_postgres::Error) -> Error {
    let Some(answer) = error.as_db_error() else {
        return Error::new(ErrorKind::Unavailable, "the database does not answer").caused_by(error);
    };
    let code = answer.code().code();
    Error::new(kind(code), format!("the database says: {} (SQLSTATE {code})", answer.message()))
}

/// What an answer with this SQLSTATE means: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind(code: &str) -> ErrorKind {
    match code {
        "42501" => ErrorKind::Denied,
        "3D000" => ErrorKind::NotFound,
        _ => match class(code) {
            "28" => ErrorKind::Credentials,
            "21" | "22" | "23" | "42" => ErrorKind::Internal,
            "54" => ErrorKind::TooLarge,
            _ => ErrorKind::Unavailable,
        },
    }
}

/// Whether the connection is of no more use: it broke, the server shuts down, or it no longer takes writes.
pub(super) fn is_broken(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none_or(|answer| breaks(answer.code().code()))
}

/// Whether a connection is of no more use after an answer with this SQLSTATE.
fn breaks(code: &str) -> bool {
    // A statement that took too long (57014) leaves the connection as it was.
    code == "25006" || class(code) == "08" || (class(code) == "57" && code != "57014")
}

/// Whether the same transaction can succeed if it is begun anew: others wrote at the same time.
pub(super) fn is_lost_race(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| is_race(code.code()))
}

fn is_race(code: &str) -> bool {
    matches!(code, "23505" | "40001" | "40P01")
}

fn class(code: &str) -> &str {
    code.get(..2).unwrap_or_default()
}

/// The error for a call that took longer than the store waits.
pub(super) fn too_slow() -> Error {
    Error::new(ErrorKind::Unavailable, "the database does not answer in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_says_whether_its_connection_is_of_more_use_and_its_transaction_may_be_repeated() {
        let broken = ["08000", "08006", "57P01", "57P02", "57P03", "57000", "25006"];
        let repeated = ["23505", "40001", "40P01"];
        let neither = ["57014", "25P02", "25000", "42601", "28P01", "23503", "53300", "40002", "0", ""];
        for code in broken.into_iter().chain(repeated).chain(neither) {
            let (is_broken, is_repeated) = (broken.contains(&code), repeated.contains(&code));
            assert_eq!((breaks(code), is_race(code)), (is_broken, is_repeated), "{code}");
        }
    }

    #[test]
    fn each_answer_says_whose_fault_it_is() {
        let kinds = [
            ("42501", ErrorKind::Denied),
            ("3D000", ErrorKind::NotFound),
            ("28P01", ErrorKind::Credentials),
            ("21000", ErrorKind::Internal),
            ("22021", ErrorKind::Internal),
            ("23502", ErrorKind::Internal),
            ("42P01", ErrorKind::Internal),
            ("54000", ErrorKind::TooLarge),
            ("53100", ErrorKind::Unavailable),
            ("57P03", ErrorKind::Unavailable),
            ("", ErrorKind::Unavailable),
        ];
        for (code, expected) in kinds {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
