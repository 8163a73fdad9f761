use alien_core::{Code, Container, Queue, Stack};

fn main() {
    let mut stack = Stack::builder("my-app");
    let jobs = stack.frozen("jobs", Queue::new());
    stack.live("worker", Container::new(Code::zip(b"i"), "execution").with_network(&jobs));
}
