//! Logs, read and followed.

use std::sync::Arc;
use std::time::Duration;

use alien_core::memory::{self, Account, TestClock};
use alien_core::{
    Clock, Code, DeploymentId, Function, Handle, Live, LogLine, Manager, Profile, Release, Result, Stack,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future};

/// A function whose log has a line for each command, on a clock of its own.
async fn deployed() -> (Arc<TestClock>, Account, Manager, Handle<Function, Live>) {
    let mut stack = Stack::builder("shop");
    let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
    stack.profile("api", Profile::new());
    let release = Release::new(stack.build().unwrap(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let clock = Arc::new(TestClock::new());
    let account = Account::new(clock.clone());
    let config = memory::Config::new(account.clone());
    let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme").unwrap());
    let plan = admin.plan(&release).await.unwrap();
    let manager = Manager::new(memory::vendor(&config), admin.apply(&plan).await.unwrap());
    let api = manager.handle(&api).unwrap();
    (clock, account, manager, api)
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.trim_start_matches("command ")).collect()
}

#[tokio::test]
async fn a_log_is_read_from_a_time_to_its_present_end() {
    let (clock, _, manager, api) = deployed().await;
    manager.dispatch(&api, b"one").await.unwrap();
    clock.wind(Duration::from_secs(60));
    let later = clock.now();
    manager.dispatch(&api, b"two").await.unwrap();
    let all: Vec<LogLine> = manager.logs(&api).read().try_collect().await.unwrap();
    assert_eq!(texts(&all), ["one", "two"], "without a time it begins with the first");
    let some: Vec<LogLine> = manager.logs(&api).since(later).read().try_collect().await.unwrap();
    assert_eq!(texts(&some), ["two"]);
}

#[tokio::test]
async fn a_log_that_is_followed_gives_each_line_once_and_also_those_that_come() {
    let (clock, _, manager, api) = deployed().await;
    manager.dispatch(&api, b"before").await.unwrap();
    let follow = async {
        let until = clock.now() + Duration::from_secs(60);
        manager.logs(&api).until(until).follow().try_collect::<Vec<_>>().await
    };
    let send = async {
        for command in ["one", "two", "two"] {
            clock.sleep(Duration::from_secs(5)).await;
            manager.dispatch(&api, command.as_bytes()).await?;
        }
        Ok(())
    };
    let (lines, ()) = future::try_join(follow, send).await.unwrap();
    assert_eq!(texts(&lines), ["before", "one", "two", "two"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_ends_with_the_error() {
    let (_, account, manager, api) = deployed().await;
    manager.dispatch(&api, b"one").await.unwrap();
    let mut lines = manager.logs(&api).follow();
    assert_eq!(lines.next().await.unwrap().unwrap().text, "command one");
    account.set_document(
        &manager.deployment().identity,
        memory::Principal { name: "vendor".to_owned(), trusts: None, rights: Vec::new() },
    );
    let rest: Vec<Result<LogLine>> = lines.collect().await;
    assert_eq!(rest.len(), 1);
    assert!(rest[0].is_err());
}
