//! Whom an agent connects to: every call of the kernel that names an address is recorded by strace.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use super::SetUp;
use crate::room::Room;

/// Whether calls can be recorded here: strace is there and may look at its own child.
pub(crate) fn can_record() -> bool {
    let tried = Command::new("strace").args(["-D", "-qq", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// From its start to its end, with a release and a command, the agent names no other address than those of its manager and its cloud.
pub(crate) fn connections(room: &Room) {
    let (set_up, agent) = SetUp::new(room);
    agent.lets(r#"{"commands": ["api"]}"#);
    let calls = room.path("calls");
    // With -D the agent keeps its place: strace is beside it, and not above it.
    let strace = ["strace", "-D", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", &calls];
    let running = agent.run_under(&strace, &set_up.record, &set_up.vendor.manager);
    set_up.is_healthy(&agent);
    set_up.releases("second", &(room.cloud.code)("second"), &agent);
    set_up.dispatched(&agent);
    running.end();
    let calls = fs::read_to_string(calls).unwrap();
    let named: BTreeSet<SocketAddr> = calls.lines().flat_map(addresses).collect();
    let port = set_up.vendor.manager.url.rsplit(':').next().unwrap().parse().unwrap();
    let manager = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut allowed: BTreeSet<SocketAddr> = room.cloud.agent.talks_to.iter().copied().chain([manager]).collect();
    assert!(named.contains(&manager) && named.is_superset(&allowed), "{named:?} are not all of {allowed:?}");
    // Who asks for the address of a name asks the kernel which way leads there, by a socket that sends nothing: the port is 0.
    // The manager's name is `localhost`, which may have two addresses.
    allowed.insert((Ipv6Addr::LOCALHOST, port).into());
    allowed.extend(allowed.clone().iter().map(|address| SocketAddr::new(address.ip(), 0)));
    let others: Vec<&SocketAddr> = named.difference(&allowed).collect();
    assert!(others.is_empty(), "{others:?}\n{calls}");
}

/// The addresses of the internet in a line of strace: `sin_port=htons(443), sin_addr=inet_addr("127.0.0.1")`, and
/// `sin6_port=htons(443), …, inet_pton(AF_INET6, "::1", &sin6_addr)`.
fn addresses(line: &str) -> Vec<SocketAddr> {
    let named = line.split("_port=htons(").skip(1).map(|rest| {
        let (port, rest) = rest.split_once(')').unwrap();
        let host = rest.split_once("inet_").unwrap().1.split('"').nth(1).unwrap();
        SocketAddr::new(host.parse::<IpAddr>().unwrap().to_canonical(), port.parse().unwrap())
    });
    named.collect()
}
