//! One attempt at one delivery.

use super::resolve::{Checked, Lookup, Unusable};
use guard::{
    egress::{Egress, Place, Refused, Target},
    keys::MasterKey,
    seal, signature,
};
use jiff::Timestamp;
use reqwest::{Client, Response, redirect::Policy};
use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
    time::Duration,
};
use store::Webhook;

/// An attempt may take so long, …
const TIMEOUT: Duration = Duration::from_secs(30);
/// … and its connection so long of that.
const CONNECT: Duration = Duration::from_secs(10);
/// So much of an answer is read.
const ANSWER: usize = 64 << 10;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver answered.
    Answered {
        /// Its status.
        status: u16,
        /// What it said, or how that begins.
        body: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the address may not be spoken to.
    Refused(String),
    /// The receiver could not be reached, or broke off.
    Failed(String),
}

/// What is sent, apart from where to.
pub(crate) struct Letter<'l> {
    /// Its id.
    pub(crate) id: &'l str,
    /// What it says.
    pub(crate) body: &'l str,
    /// What it is signed with; [`Sender::tell`] knows it.
    pub(crate) secret: Option<&'l str>,
    /// When it is sent.
    pub(crate) at: Timestamp,
}

/// Speaks to receivers, within what the operator allows.
pub(crate) struct Sender {
    egress: Egress,
    lookup: Arc<dyn Lookup>,
    /// For https and http; made when they are first needed, since most servers have no webhooks.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl Sender {
    pub(crate) fn new(egress: Egress, lookup: Arc<dyn Lookup>) -> Self {
        Sender {
            egress,
            lookup,
            clients: Default::default(),
        }
    }

    /// Whether the URL may be spoken to as things stand.
    pub(crate) async fn check(&self, url: &str) -> Result<(), String> {
        let target = self.egress.target(url).map_err(|error| error.to_string())?;
        match &target.host {
            Place::Address(_) => Ok(()),
            Place::Name(name) => {
                let found = self.checked(&target).addresses(name).await;
                found.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Tells a webhook once, signed with its secret.
    pub(crate) async fn tell(
        &self,
        webhook: &Webhook,
        key: &MasterKey,
        letter: Letter<'_>,
    ) -> Outcome {
        let sealed = webhook.secret.as_deref();
        let secret = sealed.map(|sealed| seal::open(sealed, &webhook.id, key));
        match secret.transpose() {
            Ok(secret) => {
                let secret = secret.as_deref();
                self.send(&webhook.url, &Letter { secret, ..letter }).await
            }
            // Unsigned it would be taken for somebody else's.
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    /// Sends a letter once.
    async fn send(&self, url: &str, letter: &Letter<'_>) -> Outcome {
        let target = match self.egress.target(url) {
            Ok(target) => target,
            Err(refused) => return Outcome::Refused(refused.to_string()),
        };
        let client = match self.client(&target) {
            Ok(client) => client,
            Err(error) => return Outcome::Failed(error),
        };
        let second = letter.at.as_second();
        let mut request = client
            .post(url.trim())
            .header("Content-Type", "application/json")
            .header("X-MLflow-Delivery-Id", letter.id)
            .header("X-MLflow-Timestamp", second)
            .body(letter.body.to_owned());
        if let Some(secret) = letter.secret {
            let signed = signature::webhook(secret, letter.id, second, letter.body);
            request = request.header("X-MLflow-Signature", signed);
        }
        match request.send().await {
            Ok(answer) => answered(answer).await,
            Err(error) => failed(&error),
        }
    }

    fn checked(&self, target: &Target) -> Checked {
        Checked {
            egress: self.egress.clone(),
            lookup: Arc::clone(&self.lookup),
            secure: target.is_secure(),
        }
    }

    fn client(&self, target: &Target) -> Result<&Client, String> {
        let made = self.clients[usize::from(!target.is_secure())]
            .get_or_init(|| client(self.checked(target)).map_err(|error| chain(&error)));
        made.as_ref().map_err(Clone::clone)
    }
}

/// A client that goes nowhere but where it was sent: no proxy, no redirect, no second look at names.
fn client(checked: Checked) -> reqwest::Result<Client> {
    // One provider for the process; another part of it may have come first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("mainspan/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(1);
    if !checked.secure {
        // Nothing is encrypted there, so no certificates need to be loaded.
        builder = builder.tls_certs_only([]);
    }
    builder.dns_resolver(checked).build()
}

async fn answered(mut answer: Response) -> Outcome {
    let status = answer.status().as_u16();
    let retry_after = answer
        .headers()
        .get("Retry-After")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    while body.len() < ANSWER {
        match answer.chunk().await {
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(error) => return failed(&error),
        }
    }
    body.truncate(ANSWER);
    Outcome::Answered {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
        retry_after,
    }
}

fn failed(error: &reqwest::Error) -> Outcome {
    let mut cause = error.source();
    while let Some(inner) = cause {
        match inner.downcast_ref::<Unusable>() {
            Some(Unusable::Refused(refused)) if *refused != Refused::Nowhere => {
                return Outcome::Refused(refused.to_string());
            }
            Some(unusable) => return Outcome::Failed(unusable.to_string()),
            None => cause = inner.source(),
        }
    }
    Outcome::Failed(chain(error))
}

/// What an error and its causes say, without the URL, which may hold a secret.
fn chain(error: &reqwest::Error) -> String {
    let mut said = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "the receiver took too long".to_owned(),
        (_, true) => "no connection to the receiver".to_owned(),
        _ => "the receiver broke off".to_owned(),
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

#[cfg(test)]
mod tests;
