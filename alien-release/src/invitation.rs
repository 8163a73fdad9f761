//! Invitations that nobody can alter: the vendor signs them, and the customer's admin verifies them.

use alien_core::adapter::sha256;
use alien_core::{Error, Invitation, InvitationSignature, KeyFingerprint, Problem, Result, Rule};

use crate::keys::{PublicKey, Signature, Signer};

/// What an invitation's signature is for, so that it is no signature of anything else.
const CONTEXT: &str = "alien/invitation";

/// Signs an invitation. A signature that it has is replaced.
///
/// ```
/// use alien_core::{DeploymentId, Invitation, KeyFingerprint, Queue, Stack, memory};
/// use alien_release::{InvitationFile, SigningKey, sign_invitation};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let mut stack = Stack::builder("shop");
/// stack.live("jobs", Queue::new());
/// let target = memory::Target::new("acme")?;
/// let invitation = Invitation::new(DeploymentId::new(), &target, stack.build()?)?;
///
/// // The vendor:
/// let key = SigningKey::generate()?;
/// let signed = sign_invitation(invitation, &key).await?;
/// let file = serde_json::to_string(&signed)?;
///
/// // The customer's admin, who was told the fingerprint of the vendor's key:
/// let vendor: KeyFingerprint = key.public().fingerprint().parse()?;
/// let invitation = InvitationFile::read(&file)?.verify(&vendor)?;
/// assert_eq!(invitation, signed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if the invitation has a number above 2⁵³ − 1; those of [`Signature::of`].
pub async fn sign_invitation(invitation: Invitation, signer: &dyn Signer) -> Result<Invitation> {
    let unwritten =
        |error: serde_json::Error| wrong(format!("the invitation cannot be written: {error}"), "make another");
    let form = Invitation::signed_form(&serde_json::to_string(&invitation).map_err(unwritten)?)?;
    let signature = Signature::of(signer, CONTEXT, form.as_bytes()).await?;
    let key = signer.public().to_string();
    Ok(invitation.with_signature(InvitationSignature { key, signature: signature.to_string() }))
}

/// An invitation as the customer's admin got it: who signed it is looked at before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationFile {
    invitation: Invitation,
    signer: Option<PublicKey>,
    digest: String,
}

impl InvitationFile {
    /// Reads the text of the file. If it is signed, it is as whoever signed it wrote it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input): what [`Invitation::from_json`] refuses; a signature that cannot be read, or
    /// that is not over this content.
    pub fn read(text: &str) -> Result<Self> {
        let invitation = Invitation::from_json(text)?;
        let signer = match &invitation.signature {
            Some(signature) => Some(signed_by(signature, text)?),
            None => None,
        };
        Ok(Self { invitation, signer, digest: sha256(text.as_bytes()) })
    }

    /// The key that signed it, whoever has that key; `None` if it is not signed.
    #[must_use]
    pub const fn signer(&self) -> Option<&PublicKey> {
        self.signer.as_ref()
    }

    /// The SHA-256 of the file: `sha256:…`. `sha256sum FILE` prints the same digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The invitation, if the vendor's key signed it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is not signed, or by another key.
    pub fn verify(self, vendor: &KeyFingerprint) -> Result<Invitation> {
        let (what, help) = match self.signer.map(|key| key.fingerprint()) {
            Some(signer) if signer == vendor.as_str() => return Ok(self.invitation),
            Some(signer) => (
                format!("the invitation is signed by the key {signer}, and not by the vendor's, {vendor}"),
                "do not use it; ask the vendor which key is its own, and for an invitation that is signed by that key",
            ),
            None => (
                format!("the invitation is not signed, and the vendor's key, {vendor}, must have signed it"),
                "do not use it; ask the vendor for a signed one (`alien invite --sign`)",
            ),
        };
        Err(wrong(what, help))
    }

    /// The invitation, whoever wrote it: somebody has to compare it with what the vendor says in another way.
    #[must_use]
    pub fn unverified(self) -> Invitation {
        self.invitation
    }
}

/// The key that made a signature over this text.
fn signed_by(signature: &InvitationSignature, text: &str) -> Result<PublicKey> {
    let unread = |what: &str| wrong(format!("the invitation's signature cannot be read: {what}"), ANOTHER);
    let key: PublicKey = signature.key.parse().map_err(|_| unread("its key is no Ed25519 key in PEM"))?;
    if key.to_string() != signature.key {
        return Err(unread("its key is written in another way than it was"));
    }
    let made: Signature =
        signature.signature.parse().map_err(|_| unread("it is not an Ed25519 signature in Base64"))?;
    let form = Invitation::signed_form(text)?;
    key.verify(CONTEXT, form.as_bytes(), &made).map_err(|_| {
        let what = format!("the invitation was altered after the key {} signed it", key.fingerprint());
        wrong(what, ANOTHER)
    })?;
    Ok(key)
}

const ANOTHER: &str = "do not use it; ask the vendor for the invitation again, in a way in which nobody can alter it";

fn wrong(what: String, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what, help.to_owned())].into()
}
