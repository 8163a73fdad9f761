//! The macro that provider tables are written with.

/// Rows of a provider, grouped by the documentation page that lists their permissions. First the namespace; then, below
/// each scope, one row with the verb, the end of the path, the operations without their namespace, and the
/// implementation, if there is one.
macro_rules! rows {
    ($source:literal $namespace:literal $($root:literal {
        $($verb:ident $end:literal [$($action:literal),*] $(.$with:ident($($argument:expr)?))*;)*
    })*) => {
        &[$($($crate::azure::route::row(
            stringify!($verb),
            concat!($root, "/providers/", $namespace, "/", $end),
            &[$(concat!($namespace, "/", $action)),*],
            $source,
        )$(.$with($($argument)?))*,)*)*]
    };
}

pub(super) use rows;
