//! `alien keys`: the keys with which the vendor proves who it is.

mod file;
mod issuer;
mod root;
mod sign;
mod vendor;

pub(crate) use file::open;
#[cfg(test)]
pub(crate) use issuer::Published;
#[cfg(test)]
pub(crate) use root::{Made, Written};
pub(crate) use root::{public, root};
#[cfg(test)]
pub(crate) use sign::Invited;
pub(crate) use sign::Signing;
#[cfg(test)]
pub(crate) use vendor::{Public, VendorKey};

use crate::args::Shown;
use crate::args::keys::Keys;
use crate::output::Failure;

pub(crate) async fn keys(command: &Keys, shown: Shown) -> Result<(), Failure> {
    match command {
        Keys::Issuer(args) => issuer::issuer(args, shown),
        Keys::Vendor(args) => vendor::vendor(args, shown),
        Keys::Init(args) => root::init(args, shown).await,
        Keys::Rotate(args) => root::rotate(args, shown).await,
        Keys::Revoke(args) => root::revoke(args, shown).await,
        Keys::Renew(args) => root::renew(args, shown).await,
        Keys::Sign(args) => root::sign(args, shown).await,
        Keys::Show(args) => vendor::show(args, shown),
    }
}
