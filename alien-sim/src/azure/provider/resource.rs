//! Behaviour that most resource types share.

pub(super) use crate::azure::call::show;
use crate::azure::call::{Answer, Call};
use crate::azure::fail::Fail;

/// Lists the resources of a type in the parent that the path names.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::list(call.state.list(&call.id, &call.kind())))
}

/// Checks a name: its length, a letter or digit at both ends, and only letters, digits and some marks between. The
/// rules of each type are at <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>.
pub(super) fn is_name(name: &str, length: std::ops::RangeInclusive<usize>, marks: &str) -> bool {
    length.contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || (c == '_' && marks.contains('_')))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}
