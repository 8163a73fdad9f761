//! Requests for a token.

use alien_core::{Error, ErrorKind, Result};
use alien_release::agent::{Signed, Token, TokenRequest};
use jiff::SignedDuration;

use super::bearers::{Grant, key_id};
use super::kept::{KeptAgent, Used};
use super::{Agents, no_agent, refused};
use crate::ledger::Pages;

/// How far the time of a request may be from the manager's.
const NEAR: SignedDuration = SignedDuration::from_mins(5);

/// How many requests are taken while each is in time. One an hour is needed.
const MOST: usize = 16;

impl Agents {
    /// Gives an agent a bearer of one hour.
    ///
    /// # Errors
    ///
    /// [`Credentials`](ErrorKind::Credentials), with the reason: the deployment is not known, another key signed the request, it is
    /// for another host, its time is more than five minutes away, or it was taken before. [`Throttled`](ErrorKind::Throttled) after
    /// 16 in five minutes, or if the agent sends more than [it may](super::AgentsBuilder::messages). [`Input`](ErrorKind::Input) and [`TooLarge`](ErrorKind::TooLarge) as [`Signed::verify`]; errors of the store.
    pub async fn token(&self, signed: &Signed<TokenRequest>) -> Result<Token> {
        let id = signed.claimed()?;
        // Whether there is such a deployment is told to nobody who does not have its key.
        let stranger = |error: Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Rejected => {
                refused(format!("no agent of deployment {id} has the key that signed this"))
            }
            _ => error,
        };
        let (_, listed, key) = self.0.registered(id).await.map_err(stranger)?;
        let request = signed.verify(&key).map_err(stranger)?;
        if !self.0.hosts.contains(&request.host.to_ascii_lowercase()) {
            return Err(refused(format!("the request is for `{}`, which is not this manager", request.host)));
        }
        let now = self.0.inner().now();
        let grant = Grant { deployment: id, key: key_id(&key) };
        self.0.flood.count(grant, now)?;
        let away = request.time.duration_since(now);
        if away.abs() > NEAR {
            let seconds = away.as_secs();
            return Err(refused(format!("the request was made {seconds} seconds from now ({now}); set the clock")));
        }
        let (place, listing, pem) =
            (KeptAgent::key(id), crate::deployments::Listed::key(&listed.product, id), listed.agent);
        let keys = [place.clone(), listing.clone()];
        let note = move |pages: &mut Pages<'_>| {
            let mut kept: KeptAgent = pages.get(&place)?.ok_or_else(|| no_agent(id))?;
            super::is_still(pages, &listing, pem.as_deref())?;
            if kept.nonces.iter().any(|used| used.nonce == request.nonce) {
                return Err(refused("the request was taken before"));
            }
            kept.nonces.retain(|used| now.duration_since(used.time) <= NEAR);
            if kept.nonces.len() >= MOST {
                let wait = NEAR.try_into().ok();
                let what = format!("{MOST} requests for a token were taken within minutes");
                return Err(Error::new(ErrorKind::Throttled, what).with_retry_after(wait));
            }
            kept.nonces.push(Used { nonce: request.nonce, time: request.time });
            pages.put(place.clone(), &kept, None)?;
            Ok(kept.counter)
        };
        let counter = self.0.inner().ledger.change(keys, note).await?;
        let (bearer, expires) = self.0.bearers.make(grant, now).await?;
        Ok(Token::new(bearer, expires, counter))
    }
}
