//! A deployment from its invitation to its end, as the programs tell of it.

use std::fs;

use alien_conformance::world::{Patience, Shipped};
use alien_core::{Exit, Function, Kv, Profile, Queue, Stack};
use serde_json::{Value, json};

use crate::room::{Room, read, said, words};

pub(crate) fn a_deployment(room: &Room) {
    let (first, second, frozen) =
        ((room.cloud.code)("first"), (room.cloud.code)("second"), (room.cloud.code)("ledger"));
    let stack = |code: &Shipped, memory: u32| {
        let mut stack = Stack::builder("shop");
        let jobs = stack.live("jobs", Queue::new());
        stack.frozen("records", Kv::new());
        let api = Function::new(code.code(), "api").with_memory_mib(memory).with_memory_bounds(256..=512);
        stack.live("api", api.with_commands());
        stack.frozen("ledger", Function::new(frozen.code(), "ledger"));
        stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_WRITE]));
        stack.profile("ledger", Profile::new());
        serde_json::to_vec(&stack.build().unwrap()).unwrap()
    };
    let file = room.write("shop.json", &stack(&first, 256));
    let (invitation, record) = (room.invite(&file), room.path("record.json"));
    let deploy = |command: &str, more: &[&str]| room.deploy(command, &invitation, more);

    let review = room.succeeds("alien-deploy", &words(&deploy("review", &[])));
    assert!(review.contains(&room.cloud.vendor) && review.contains("ledger"), "{review}");
    let zips = room.zips(&[("first", &first), ("ledger", &frozen)]);
    let wanted = words(&zips);
    let plan = room.succeeds("alien-deploy", &words(&deploy("plan", &wanted)));
    assert!(plan.contains("create"), "{plan}");
    let up = deploy("up", &[&wanted[..], &["--record", &record, "--yes"]].concat());
    let key = room.path("keys/public/vendor.pem");
    let said = room.succeeds("alien-deploy", &[&words(&up)[..], &["--vendor-key", &key]].concat());
    assert!(said.contains("send") && !said.contains("not checked"), "{said}");
    let invitation = the_record_remembers_the_invitation(room, &invitation, &file, &record);
    let deploy = |command: &str, more: &[&str]| room.deploy(command, &invitation, more);
    let up = deploy("up", &[&wanted[..], &["--record", &record, "--yes"]].concat());
    room.succeeds("alien-deploy", &words(&deploy("status", &[&wanted[..], &["--record", &record]].concat())));
    // Credentials that are of someone else, or none.
    let (others, told) = &room.cloud.others;
    let wrong = room.command("alien-deploy", &words(&up), others).output().unwrap();
    assert!(self::said(&wrong).contains(told), "{}", self::said(&wrong));
    read(&wrong);
    let nobody = room.command("alien-deploy", &words(&up), &Vec::new()).output().unwrap();
    assert!(self::said(&nobody).contains(room.cloud.nobody), "{}", self::said(&nobody));

    room.succeeds("alien", &["register", "--invitation", &invitation, "--record", &record]);
    let other = fs::read_to_string(&record).unwrap().replace(room.cloud.other_vendor.0, room.cloud.other_vendor.1);
    let other = room.write("other.json", other.as_bytes());
    let refused = room.fails(Exit::Refused, "alien", &["register", "--invitation", &invitation, "--record", &other]);
    assert!(refused.contains(room.cloud.other_vendor.1), "{refused}");

    let beats = room.succeeds("alien", &["heartbeat", "--record", &record]);
    assert_eq!(beats.matches("healthy").count(), 4, "{beats}");
    let (next, zips) = (room.write("next.json", &stack(&second, 512)), room.zips(&[("second", &second)]));
    let update = [&["update", "--record", &record, "--stack", &next][..], &words(&zips)].concat();
    let dry = room.succeeds("alien", &[&update[..], &["--dry-run"]].concat());
    assert!(dry.contains("code, memoryMib"), "{dry}");
    room.succeeds("alien", &update);
    assert!(room.succeeds("alien", &update).contains("Nothing changed"));
    let answer = room.succeeds("alien", &["dispatch", "--record", &record, "api", r#"{"hello":"world"}"#]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer.get("hello").unwrap(), "world");
    let patience = Patience::new();
    loop {
        let logs = room.succeeds("alien", &["logs", "--record", &record, "api", "--since", "10m"]);
        if logs.contains("hello") {
            break;
        }
        patience.block(&logs);
    }
    let unknown = room.fails(Exit::Refused, "alien", &["logs", "--record", &record, "ledger"]);
    assert!(unknown.contains("the vendor may not read its logs"), "{unknown}");

    room.succeeds("alien-deploy", &words(&deploy("revoke", &["--record", &record, "--yes"])));
    let revoked = room.fails(Exit::Credentials, "alien", &["heartbeat", "--record", &record]);
    assert!(revoked.contains("the access was revoked"), "{revoked}");
    let down = deploy("down", &["--record", &record, "--delete-data", "--yes"]);
    room.succeeds("alien-deploy", &words(&down));
    let status = room.fails(Exit::Drift, "alien-deploy", &words(&deploy("status", &wanted)));
    assert!(!status.contains("right"), "{status}");
}

/// The record was set up with the vendor's key, and from now on knows it. Gives the invitation that was set up last.
fn the_record_remembers_the_invitation(room: &Room, first: &str, stack: &str, record: &str) -> String {
    let read = |path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let key = room.succeeds("alien", &["keys", "show", &room.path("keys/vendor.pem")]);
    let key = key.lines().next().unwrap();
    assert_eq!(read(record).get("invitation").unwrap(), &json!({ "vendorKey": key }));
    let mut unsigned = read(first);
    unsigned.as_object_mut().unwrap().remove("signature").unwrap();
    let unsigned = room.write("unsigned.json", unsigned.to_string().as_bytes());
    let up = |invitation: &str| room.deploy("up", invitation, &["--record", record, "--yes"]);
    let refused = room.fails(Exit::Input, "alien-deploy", &words(&up(&unsigned)));
    assert!(refused.contains("the invitation is not signed"), "{refused}");

    let again = room.invite_again(stack, record);
    let said = room.succeeds("alien-deploy", &words(&up(&again)));
    assert!(!said.contains("not checked"), "{said}");
    assert_eq!(read(record).get("invitation").unwrap(), &json!({ "revision": 1, "vendorKey": key }));
    let refused = room.fails(Exit::Input, "alien-deploy", &words(&up(first)));
    assert!(refused.contains("the invitation has revision 0, and the last set-up was by revision 1"), "{refused}");
    again
}
