//! The bucket that calls are about.

use alien_core::{Error, ErrorKind, Result, Storage};
use aws_sdk_s3::error::BuildError;

use crate::client::Context;
use crate::operations::Scope;

/// The bucket of a call, and the account that must own it.
pub(super) struct Bucket<'a> {
    pub(super) name: &'a str,
    pub(super) owner: &'a str,
    pub(super) storage: &'a Storage,
}

impl<'a> Bucket<'a> {
    pub(super) fn of(cx: Context<'a>, storage: &'a Storage) -> Result<Self> {
        Ok(Self { name: cx.name(Scope::Bucket)?, owner: cx.target().account.as_str(), storage })
    }
}

/// The error of a request that lacks something, which the types of the SDK do not show.
pub(super) fn incomplete(error: BuildError) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}
