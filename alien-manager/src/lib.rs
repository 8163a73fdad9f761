#![doc = include_str!("../README.md")]

mod answers;
mod auth;
mod connections;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod router;
mod server;
pub mod settings;
mod shed;
mod tls;

pub use answers::Answers;
pub use limits::Limits;
pub use openapi::openapi;
pub use router::Router;
pub use server::Server;
pub use tls::Tls;
