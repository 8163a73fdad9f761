use alien_core::{Profile, Queue, Stack};

fn main() {
    let mut stack = Stack::builder("my-app");
    let jobs = stack.frozen("jobs", Queue::new());
    stack.profile("execution", Profile::new().on(&jobs, [Queue::PROVISION]));
}
