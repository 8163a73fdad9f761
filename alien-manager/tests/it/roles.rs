//! Who may do what: each call by each role.

use alien_core::{DeploymentId, ErrorKind};
use alien_fleet::api::calls;
use alien_fleet::{NewToken, Products, Role, Setting};
use jiff::SignedDuration;

use crate::api::{Served, error, failure, status, world};

#[tokio::test(start_paused = true)]
async fn each_call_is_let_to_its_role_and_those_above_and_to_no_other() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let id = DeploymentId::new().to_string();
    let mut refused = 0;
    for role in Role::ALL {
        let (_, token) = served.token(role.name(), role, Products::All).await;
        for call in calls().into_iter().filter(|call| call.path != "/v1/events/stream") {
            let path = call.path.replace("{id}", &id).replace("{product}", "shop").replace("{number}", "1");
            let path = path.replace("{sequence}", "1").replace("{resource}", "api").replace("{digest}", "sha256:0");
            let status = served.status(&format!("{} {path}", call.method), &token, b"").await;
            let is_refused = role < call.role;
            refused += usize::from(is_refused);
            assert_eq!(status == 403, is_refused, "{role}: {} {path}: {status}", call.method);
            assert!(status != 401 && status != 500, "{role}: {} {path}: {status}", call.method);
        }
    }
    assert!(refused > 15, "{refused}");
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_token_changes_nothing() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let (_, token) = served.token("reader", Role::Read, Products::All).await;
    let (client, id) = (served.with(&token), world.ids[0]);
    let before = world.fleet.log(0, 1000).await.unwrap().len();
    let refused = failure(client.set(id, Setting::Hold("mine".to_owned())).await);
    assert_eq!(refused.kind(), ErrorKind::NotGranted);
    assert!(refused.to_string().contains("`operate`") && refused.to_string().contains("reader"), "{refused}");
    assert_eq!(failure(client.remove(id).await).kind(), ErrorKind::NotGranted);
    assert_eq!(failure(client.tokens().await).kind(), ErrorKind::NotGranted);
    assert_eq!(client.deployments(&crate::world::product()).await.unwrap().len(), 1);
    assert_eq!(world.fleet.log(0, 1000).await.unwrap().len(), before);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_token_that_holds_nothing_is_answered() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let (_, good) = served.token("ann", Role::Admin, Products::All).await;
    let last = if good.reveal().ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{last}", &good.reveal()[..good.reveal().len() - 1]);
    for headers in [
        String::new(),
        "authorization: Bearer\r\n".to_owned(),
        "authorization: Bearer x\r\n".to_owned(),
        format!("authorization: Basic {}\r\n", good.reveal()),
        format!("authorization: Bearer {altered}\r\n"),
        // Who acts is not claimed here.
        "alien-operator: ann\r\n".to_owned(),
    ] {
        for call in ["GET /v1/products", "POST /v1/tokens", "GET /v2/nothing", "GET /metrics"] {
            let (head, body) = served.sent(call, &headers, b"").await;
            assert_eq!((status(&head), error(&body).kind()), (401, ErrorKind::Credentials), "{call}: {head}");
            assert!(head.to_lowercase().contains("www-authenticate: bearer"), "{head}");
            assert!(!body.contains(&altered), "{body}");
        }
    }
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_acts_is_proved_by_the_token_and_the_log_says_so() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let client = served.client("ann").await;
    client.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    let last = crate::world::log(&world).await.pop().unwrap();
    assert_eq!(last.who, served.who("ann"));
    assert!(!last.who.claimed && last.who.to_string().starts_with("ann (token "), "{}", last.who);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_admin_of_some_products_makes_sees_and_revokes_tokens_for_those_alone() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let shop = Products::Only([crate::world::product()].into());
    let (own, text) = served.token("shop-admin", Role::Admin, shop.clone()).await;
    let (all, _) = served.token("ann", Role::Read, Products::All).await;
    let client = served.with(&text);
    let new = |products: Products| NewToken {
        name: "new".to_owned(),
        role: Role::Admin,
        products,
        valid_for: SignedDuration::from_mins(5),
    };
    let (made, of_made) = client.make_token(&new(shop)).await.unwrap();
    assert_eq!(served.with(&of_made).products().await.unwrap().len(), 1);
    for wider in [Products::All, Products::Only(["billing".parse().unwrap()].into())] {
        assert_eq!(failure(client.make_token(&new(wider)).await).kind(), ErrorKind::NotGranted);
    }
    let seen: Vec<_> = client.tokens().await.unwrap().into_iter().map(|token| token.id).collect();
    assert!(seen.contains(&made.id) && seen.contains(&own.id) && !seen.contains(&all.id));
    assert_eq!(failure(client.revoke_token(&all.id).await).kind(), ErrorKind::NotFound);
    assert!(client.revoke_token(&made.id).await.unwrap().revoked.is_some());
    served.end().await;
}
