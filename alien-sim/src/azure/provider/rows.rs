//! How the tables of providers are written.

/// Rows of a provider by the page that says what they need: the namespace, and below a scope a row each of the verb, the
/// end of the path, and the operations without their namespace; then how it is done, where it is.
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
