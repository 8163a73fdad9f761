//! `alien keys`: the keys with which the vendor proves who it is.

mod file;
mod issuer;
mod root;
mod sign;
mod vendor;

pub(crate) use file::open;
pub(crate) use root::{public, root};
pub(crate) use sign::Signing;

use crate::args::keys::Keys;
use crate::output::Failure;

pub(crate) async fn keys(command: &Keys) -> Result<(), Failure> {
    match command {
        Keys::Issuer(args) => issuer::issuer(args),
        Keys::Vendor(args) => vendor::vendor(args),
        Keys::Init(args) => root::init(args).await,
        Keys::Rotate(args) => root::rotate(args).await,
        Keys::Revoke(args) => root::revoke(args).await,
        Keys::Renew(args) => root::renew(args).await,
        Keys::Sign(args) => root::sign(args).await,
        Keys::Show(args) => vendor::show(args),
    }
}
