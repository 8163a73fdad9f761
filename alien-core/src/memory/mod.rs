//! A cloud in this process, for tests of your program and of this library: the reference for how a cloud behaves.
//!
//! It behaves as the adapters of real clouds expect. An [`Account`] enforces exactly the permission documents that were
//! written to it; sessions expire; what was just created takes time to propagate; calls can be throttled, fail, or be
//! the last before the program is killed. Code does not run in it: a command returns its own text as the answer, and
//! writes one line to the log, `command ` and that text.
//!
//! A program can test what happens when things go wrong: a [`TestClock`] [moves forward](TestClock::wind) by hand, a
//! zip of the bytes [`BROKEN`] does not start, and an [`Account`] [fails calls](Account::fail_at) on demand.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use alien_core::{memory, *};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let mut stack = Stack::builder("shop");
//! let api = stack.live("api", Function::new(Code::zip(b"first"), "api"));
//! stack.profile("api", Profile::new());
//! let release = Release::new(stack.build()?, [Arc::from(*b"first")].into_iter().collect())?;
//!
//! let clock = Arc::new(memory::TestClock::new());
//! let account = memory::Account::new(clock.clone());
//! let config = memory::Config::new(account.clone());
//! let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
//! let plan = admin.plan(&release).await?;
//! let manager = Manager::new(memory::vendor(&config), admin.apply(&plan).await?);
//! let api = manager.handle(&api)?;
//!
//! // New code that does not start: what ran before runs again.
//! let error = manager.update(&api, FunctionUpdate::new().with_zip(memory::BROKEN)).await.unwrap_err();
//! assert!(error.is_put_back());
//! assert_eq!(manager.heartbeat(&api).await?.health, Health::Healthy);
//!
//! // An hour later the session is over, and another one is opened.
//! clock.wind(Duration::from_secs(3600));
//! assert_eq!(manager.heartbeat(&api).await?.health, Health::Healthy);
//!
//! // A call is lost on the way, and made again.
//! account.fail_at(0, memory::Fault::Lost);
//! assert_eq!(manager.heartbeat(&api).await?.health, Health::Healthy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod adapter;
mod clock;
mod cloud;
mod enter;

pub use account::{Account, Asked, BROKEN, Clients, Fault, Saved};
pub use adapter::{Adapter, Config, admin, agent, engine, vendor};
pub use clock::TestClock;
pub use cloud::{LocalPrincipal, Memory, Principal, Right, Scope, Target, Trust};
