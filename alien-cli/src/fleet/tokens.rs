//! `alien manager token`: who may call a manager.

use std::path::PathBuf;

use alien_core::adapter::create_key;
use alien_core::{Clock as _, Error, ErrorKind, SystemClock};
use alien_fleet::{Products, Token};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::open::{self, Absent};
use crate::args::fleet::{CreateTokenArgs, ListTokensArgs, ManagerCommand, RevokeTokenArgs, TokenCommand};
use crate::args::{Format, Shown};
use crate::output::{self, Failure};

pub(crate) async fn manager(command: &ManagerCommand, shown: Shown) -> Result<(), Failure> {
    let ManagerCommand::Token(command) = command;
    match command {
        TokenCommand::Create(args) => create(args, shown).await,
        TokenCommand::List(args) => list(args, shown).await,
        TokenCommand::Revoke(args) => revoke(args, shown).await,
    }
}

/// The result of `alien manager token create`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewToken")]
pub(crate) struct NewToken {
    /// What is known of the token.
    token: Token,
    /// The token itself, which is shown this once; nothing, if it was written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The file that it was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

async fn create(args: &CreateTokenArgs, shown: Shown) -> Result<(), Failure> {
    let products =
        if args.all_products { Products::All } else { Products::Only(args.product.iter().cloned().collect()) };
    let valid_for = SignedDuration::try_from(args.valid).unwrap_or(SignedDuration::MAX);
    let new = alien_fleet::NewToken { name: args.name.clone(), role: args.role.into(), products, valid_for };
    // That the file is there is told before there is a token that nobody has seen.
    if let Some(file) = args.out.as_ref().filter(|file| file.exists()) {
        let what = format!("`{}` already exists, and is not overwritten", file.display());
        return Err(Error::new(ErrorKind::AlreadyExists, what).into());
    }
    let reached = open::open(&args.store, Absent::Make).await?;
    let (token, text) = reached.client.make_token(&new).await?;
    match &args.out {
        Some(file) => {
            if let Err(error) = create_key(file, &format!("{}\n", text.reveal())) {
                // Nobody has it, so nobody misses it.
                reached.client.revoke_token(&token.id).await?;
                return Err(error.into());
            }
        }
        None if !shown.json => output::line(text.reveal())?,
        None => {}
    }
    if shown.json {
        let text = args.out.is_none().then(|| text.reveal().to_owned());
        return output::json(&NewToken { token, text, file: args.out.clone() });
    }
    output::note(format_args!("{}", made(&token)));
    Ok(())
}

fn made(token: &Token) -> String {
    let Token { id, name, role, products, expires, .. } = token;
    format!("token {id}: {name} may {role} ({products}) until {}", expires.strftime("%F %T UTC"))
}

async fn list(args: &ListTokensArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let tokens = reached.client.tokens().await?;
    shown.result(&tokens, |tokens| table(tokens, SystemClock.now()))
}

fn table(tokens: &[Token], now: Timestamp) -> String {
    let rows = tokens.iter().map(|token| {
        let state = match token.revoked {
            Some(at) => format!("revoked at {}", at.strftime("%F %T")),
            None if token.expires <= now => "expired".to_owned(),
            None => "valid".to_owned(),
        };
        let Token { id, name, role, products, expires, by, .. } = token;
        let (role, expires) = (role.to_string(), expires.strftime("%F %T").to_string());
        vec![id.to_string(), name.clone(), role, products.to_string(), expires, state, by.to_string()]
    });
    let header = ["token", "who", "role", "products", "valid until", "state", "made by"];
    output::table(Format::Table, &header, rows.collect())
}

async fn revoke(args: &RevokeTokenArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let token = reached.client.revoke_token(&args.id).await?;
    shown.result(&token, |token| format!("revoked token {} of {}", token.id, token.name))
}
