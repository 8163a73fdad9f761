//! What the images of a stack are: asked of their registries.

mod call;
mod credential;
mod document;
mod location;
mod registry;
mod resolve;
mod unresolved;

pub use self::credential::Credential;
pub use self::registry::Registry;
pub use self::unresolved::{ImageProblem, ImageProblemKind, Unresolved};
