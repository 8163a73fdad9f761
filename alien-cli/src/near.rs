//! "Did you mean": the name that was probably meant.

/// How near a name must be. clap takes the same for flags.
const LEAST: f64 = 0.7;

/// What helps against a name that is not known: the nearest one, and all of them if they are few.
pub(crate) fn near(given: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (strsim::jaro(given, name), name));
    let nearest = nearest.filter(|(score, _)| *score > LEAST).max_by(|(one, _), (other, _)| one.total_cmp(other));
    let all = match known {
        [] => "there is none".to_owned(),
        few if few.len() <= 12 => format!("name one of {}", few.join(", ")),
        many => format!("name one of the {}", many.len()),
    };
    match nearest {
        Some((_, name)) => format!("did you mean `{name}`? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed() {
        assert_eq!(near("wroker", &["api", "worker"]), "did you mean `worker`? name one of api, worker");
        assert_eq!(near("zzz", &["api", "worker"]), "name one of api, worker");
        assert_eq!(near("api", &[]), "there is none");
    }
}
