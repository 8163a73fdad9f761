//! How fast a store is: `ALIEN_MEASURE=1 cargo test --release -p alien-fleet --test postgres -- measured --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_conformance::postgres::Postgres as Server;
use alien_fleet::store::{Key, Place, Span, Store, Table, View};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::Schema;
use crate::stores::{add, change, key, put, second};

/// How long each is measured.
const LENGTH: Duration = Duration::from_secs(5);

fn rate(count: usize, begun: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / begun.elapsed().as_secs_f64()
}

pub(crate) async fn speeds(server: Server) {
    let store = Arc::new(Schema::of(&server).store().await);
    // About as large as the row of a deployment.
    let body: Value = json!({"deployment": "d".repeat(36), "state": "waiting", "why": "w".repeat(200)});

    let begun = Instant::now();
    let callers = (0..8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < LENGTH {
                let own = key(format!("{number}"));
                let written = own.clone();
                change(&*store, [own], move |view| add(view, &written, 1)).await.unwrap();
                count += 1;
            }
            count
        })
    });
    let changes: usize = try_join_all(callers).await.unwrap().into_iter().sum();
    println!("changes of one document, 8 callers: {:.0}/s", rate(changes, begun));

    let many: Vec<Key> = (0..256).map(|number| Key::new(Table::Deployment, "shop", format!("{number:03}"))).collect();
    let (begun, mut rounds) = (Instant::now(), 0_usize);
    while begun.elapsed() < LENGTH {
        let (keys, body) = (many.clone(), body.clone());
        let write = move |view: &mut View| {
            keys.iter().try_for_each(|key| {
                let _: Option<Value> = view.get(key)?;
                view.put(key.clone(), &body, None)
            })
        };
        change(&*store, many.clone(), write).await.unwrap();
        rounds += 1;
    }
    println!("changes of 256 documents: {:.0}/s, {:.0} documents/s", rate(rounds, begun), rate(256 * rounds, begun));

    const ROWS: i64 = 20_000;
    for first in (0..ROWS).step_by(2000) {
        let rows = (first..first + 2000).map(|number| {
            let place = Some(Place { queue: 0, at: number });
            (Key::new(Table::Row, "shop/2", format!("{number:06}")), body.clone(), place)
        });
        put(&*store, rows).await;
    }
    let all = Span { queue: 0, first: i64::MIN, last: i64::MAX };
    let begun = Instant::now();
    let takers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut takes, mut rows) = (0_usize, 0);
            while begun.elapsed() < LENGTH {
                let taken = store.take(Table::Row, "shop/2", all, 10, second(0), second(60)).await.unwrap();
                if taken.is_empty() {
                    break;
                }
                takes += 1;
                rows += taken.len();
            }
            (takes, rows)
        })
    });
    let taken = try_join_all(takers).await.unwrap();
    let (takes, rows) = taken.iter().fold((0, 0), |(takes, rows), of| (takes + of.0, rows + of.1));
    assert!(i64::try_from(rows).unwrap() <= ROWS, "none is taken twice");
    println!("takes of 10 rows, 4 takers: {:.0}/s, {:.0} rows/s", rate(takes, begun), rate(rows, begun));
}
