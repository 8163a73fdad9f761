//! `alien keys`: the keys with which the vendor proves who it is.

mod file;
mod issuer;
mod sign;
mod vendor;

pub(crate) use sign::Signing;

use crate::args::keys::Keys;
use crate::output::Failure;

pub(crate) fn keys(command: &Keys) -> Result<(), Failure> {
    match command {
        Keys::Issuer(args) => issuer::issuer(args),
        Keys::Vendor(args) => vendor::vendor(args),
        Keys::Show(args) => vendor::show(args),
    }
}
