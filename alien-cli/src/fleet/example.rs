//! A rollout, for tests of what is shown.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_core::DeploymentId;
use alien_core::rollout::{Ended, Event, Member, Plan, Rollout, Sequence, Step, Task, Twin};
use jiff::{SignedDuration, Timestamp};

/// The id of a deployment in tests.
pub(super) fn id(number: usize) -> DeploymentId {
    format!("01890000-0000-7000-8000-{number:012}").parse().unwrap()
}

/// A rollout of a canary and the rest that has begun.
pub(super) fn rollout(count: usize) -> (Rollout, Timestamp) {
    let plan = Plan::builder().canary(1).bake(Duration::from_secs(60)).build().unwrap();
    let running = Sequence::from(1);
    let members = (0..count).map(|number| Member::new(id(number), "gcp customer").running(running)).collect();
    let twin = Twin { sequence: 4.into(), content: running };
    let mut rollout = Rollout::new(3.into(), Some(twin), plan, members).unwrap();
    let now = "2026-11-27T08:00:00Z".parse().unwrap();
    let _ = rollout.apply(&Event::Start, now);
    (rollout, now)
}

/// Ends everything that is due to be claimed. Returns the time a second later.
pub(super) fn end(rollout: &mut Rollout, now: Timestamp, ended: &Ended) -> Timestamp {
    let due: Vec<_> = rollout.due(now).filter(|(_, task)| *task == Task::Claim).collect();
    for (deployment, _) in due {
        let fence = rollout.rows().get(&deployment).unwrap().fence();
        let _ = rollout.apply(&Event::Claim { deployment, fence, owner: "worker-1".parse().unwrap() }, now);
        for step in [Step::Begin { sick: BTreeSet::new() }, Step::Send, Step::End(ended.clone())] {
            let _ = rollout.apply(&Event::Work { deployment, fence: fence + 1, step }, now);
        }
    }
    now + SignedDuration::from_secs(1)
}

/// Updates everything that is due.
pub(super) fn updated(rollout: &mut Rollout, now: Timestamp) -> Timestamp {
    end(rollout, now, &Ended::Done)
}
