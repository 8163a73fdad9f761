//! `function`: a Cloud Run service that scales to zero.
//!
//! Its names and most of its permission sets are those of every [service](super::compute).

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Function, Set};

use super::compute;
use crate::Gcp;
use crate::operations as op;
use crate::operations::Scope;

impl On<Gcp> for Function {
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Dispatch | Set::Invoke => &[op::INVOKE_SERVICE],
            // Cloud Run writes the output of the code with its own identity: the code needs no permission for its logs.
            Set::Run => &[op::PUSH_TO_SERVICE],
            _ => compute::set(set),
        }
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        compute::writes(row)
    }

    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        compute::names(placed, things);
    }

    fn code() -> CodeForms {
        compute::CODE
    }
}
