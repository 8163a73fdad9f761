//! The bytes of a zip on their way to Lambda.

use std::fmt;
use std::sync::Arc;

use aws_sdk_lambda::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_lambda::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_lambda::error::BoxError;
use aws_sdk_lambda::primitives::{Blob, SdkBody};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Puts a zip into a request that was made with [`Self::place`].
///
/// The SDK would hold three copies of a zip beside the zip itself: the one that the request owns, that in base64, and the body. An agent
/// in a customer's network has no memory for that. Here it is encoded into the body, which has its size from the beginning.
#[derive(Clone)]
pub(super) struct Zip(Arc<[u8]>);

/// How the SDK writes a zip without bytes. Within a string its quotes would be escaped.
const PLACE: &str = r#""ZipFile":"""#;

impl Zip {
    pub(super) fn new(zip: &Arc<[u8]>) -> Self {
        Self(Arc::clone(zip))
    }

    /// What stands in its place in the request.
    pub(super) fn place() -> Blob {
        Blob::new([])
    }

    /// The body with the zip in its place; `None` if there is no place for it.
    fn within(&self, body: &str) -> Option<String> {
        let at = body.find(PLACE)?.checked_add(PLACE.len())?.checked_sub(1)?;
        let (before, after) = body.split_at_checked(at)?;
        let encoded = base64::encoded_len(self.0.len(), true)?;
        let mut whole = String::with_capacity(body.len().checked_add(encoded)?);
        whole.push_str(before);
        BASE64_STANDARD.encode_string(&self.0, &mut whole);
        whole.push_str(after);
        Some(whole)
    }
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zip({} bytes)", self.0.len())
    }
}

impl Intercept for Zip {
    fn name(&self) -> &'static str {
        "Zip"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = request.body().bytes().and_then(|body| std::str::from_utf8(body).ok());
        let whole = body.and_then(|body| self.within(body)).ok_or("the request has no place for a zip")?;
        request.headers_mut().insert("content-length", whole.len().to_string());
        *request.body_mut() = SdkBody::from(whole);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_is_put_into_its_place_and_nowhere_else() {
        let zip = Zip::new(&Arc::from(*b"zip!"));
        let body = r#"{"Description":"\"ZipFile\":\"\"","Code":{"ZipFile":""},"Role":"r"}"#;
        let whole = zip.within(body).unwrap();
        assert_eq!(whole, r#"{"Description":"\"ZipFile\":\"\"","Code":{"ZipFile":"emlwIQ=="},"Role":"r"}"#);
        assert_eq!(whole.capacity(), whole.len(), "nothing is held twice while it is made");
        assert_eq!(zip.within("{}"), None);
        assert_eq!(format!("{zip:?}"), "Zip(4 bytes)");
    }
}
