//! Which promise an effect breaks: if no grant of the stack gives it, and whatever gives it.

use super::operation::Effect;
use super::report::Promise;
use crate::lifecycle::Lifecycle;

/// How a permission follows from the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Derived {
    No,
    /// By `management.extend` alone.
    Extended,
    Yes,
}

/// The promise that breaks if the vendor has an effect, even if a permission set gave it. `lifecycle` is `None` for
/// what is not a resource.
pub(super) fn never_for_the_vendor(effect: Effect, derived: Derived, lifecycle: Option<Lifecycle>) -> Option<Promise> {
    let extended = derived == Derived::Extended;
    let frozen = lifecycle == Some(Lifecycle::Frozen);
    match effect {
        Effect::ReadData | Effect::WriteData | Effect::Credential | Effect::WriteLogs => Some(Promise::P2),
        Effect::Control => Some(Promise::P5),
        Effect::Redirect if !extended => Some(Promise::P2),
        Effect::Create | Effect::Delete if !extended => Some(Promise::P3),
        Effect::Update | Effect::Invoke | Effect::ReadLogs | Effect::ReadCode | Effect::Attach | Effect::Bind
            if frozen && !extended =>
        {
            Some(Promise::P4)
        }
        _ => None,
    }
}

/// The promise that breaks if deployed code has an effect, even if a permission set gave it.
pub(super) fn never_for_code(effect: Effect) -> Option<Promise> {
    match effect {
        Effect::Observe
        | Effect::ReadData
        | Effect::WriteData
        | Effect::Invoke
        | Effect::WriteLogs
        | Effect::Attach
        | Effect::ReadCode => None,
        Effect::Update
        | Effect::Create
        | Effect::Delete
        | Effect::ReadLogs
        | Effect::Redirect
        | Effect::Bind
        | Effect::Control
        | Effect::Credential => Some(Promise::P5),
    }
}

/// The promise that an effect breaks if no grant of the stack gives it.
pub(super) fn promise(effect: Effect, frozen: bool) -> Promise {
    match effect {
        Effect::ReadData | Effect::WriteData | Effect::Credential | Effect::Redirect => Promise::P2,
        Effect::Create | Effect::Delete => Promise::P3,
        Effect::Bind | Effect::Control => Promise::P5,
        Effect::Observe => Promise::P1,
        _ if frozen => Promise::P4,
        _ => Promise::P1,
    }
}

/// How severe an effect is: of several, the most severe is named.
pub(super) fn severity(effect: Effect) -> u8 {
    match promise(effect, true) {
        Promise::P5 => 4,
        Promise::P2 => 3,
        Promise::P3 => 2,
        Promise::P4 => 1,
        Promise::P1 | Promise::P10 | Promise::P13 => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which promise each effect breaks, even if a set gave it: the columns are a frozen resource, a live one, and one
    /// that the stack extends; then deployed code.
    #[test]
    fn effects_that_no_set_can_make_right() {
        let vendor = |effect, derived, lifecycle| {
            never_for_the_vendor(effect, derived, Some(lifecycle))
                .map_or("--".to_owned(), |promise| promise.to_string())
        };
        let code = |effect| never_for_code(effect).map_or("--".to_owned(), |promise| promise.to_string());
        let rows: Vec<String> = Effect::ALL
            .into_iter()
            .map(|effect| {
                let frozen = vendor(effect, Derived::Yes, Lifecycle::Frozen);
                let live = vendor(effect, Derived::Yes, Lifecycle::Live);
                let extended = vendor(effect, Derived::Extended, Lifecycle::Frozen);
                format!("{effect:?} {frozen} {live} {extended} {}", code(effect))
            })
            .collect();
        assert_eq!(
            rows,
            [
                "Observe -- -- -- --",
                "Update P4 -- -- P5",
                "Create P3 P3 -- P5",
                "Delete P3 P3 -- P5",
                "ReadData P2 P2 P2 --",
                "WriteData P2 P2 P2 --",
                "Invoke P4 -- -- --",
                "ReadLogs P4 -- -- P5",
                "WriteLogs P2 P2 P2 --",
                "ReadCode P4 -- -- --",
                "Redirect P2 P2 -- P5",
                "Attach P4 -- -- --",
                "Bind P4 -- -- P5",
                "Control P5 P5 P5 P5",
                "Credential P2 P2 P2 P5",
            ]
        );
    }
}
