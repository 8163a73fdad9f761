//! What resources of most types do alike.

pub(super) use crate::azure::call::show;
use crate::azure::call::{Answer, Call};
use crate::azure::fail::Fail;

/// Answers all of a type that are in what the path names.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::list(call.state.list(&call.id, &call.kind())))
}

/// Whether a name has a length, begins and ends with a letter or digit, and else has only those and some marks. What a
/// type allows is at <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>.
pub(super) fn is_name(name: &str, length: std::ops::RangeInclusive<usize>, marks: &str) -> bool {
    length.contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || (c == '_' && marks.contains('_')))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}
