//! A failure of these programs as JSON.

use alien_core::adapter::Failed;

use super::{Failure, told};

/// The failure in the shape of all programs.
pub(crate) fn failed(failure: &Failure) -> Failed {
    let (error, problems) = match failure {
        Failure::Input(problems) | Failure::Refused(problems) => (None, problems.as_slice()),
        Failure::Failed(error) => (Some(error), error.problems()),
        Failure::Stopped(..) | Failure::Ended(..) => (None, &[][..]),
    };
    let message = match problems.iter().find(|problem| problem.is_error()) {
        Some(first) => told(first),
        None => failure.to_string(),
    };
    let failed = Failed::new(failure.exit(), &message);
    match error {
        Some(error) => failed.caused_by(error),
        None => failed.with_problems(problems),
    }
}

#[cfg(test)]
mod tests {
    use alien_core::{Error, ErrorKind, Problem, Rule};

    use super::*;

    #[test]
    fn a_failure_says_its_kind_and_each_problem() {
        let shown = |failure: &Failure| serde_json::to_value(failed(failure)).unwrap()["error"].clone();
        let called = shown(&Failure::from(Error::new(ErrorKind::Denied, "no").at("api")));
        assert_eq!(
            (&called["exit"], &called["kind"], &called["resource"]),
            (&"refused".into(), &"denied".into(), &"api".into())
        );
        let problem = |what: &str| Problem::error(Rule::Form, what.to_owned(), "mend it".to_owned()).at("a");
        let input = shown(&Failure::Input(vec![problem("one"), problem("two")]));
        assert_eq!(input["message"], "`a`: one; mend it");
        assert_eq!((input["problems"].as_array().unwrap().len(), &input["code"]), (2, &3.into()));
    }
}
