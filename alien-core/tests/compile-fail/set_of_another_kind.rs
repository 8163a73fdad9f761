use alien_core::{Profile, Queue, Stack, Storage};

fn main() {
    let mut stack = Stack::builder("my-app");
    let data = stack.frozen("data", Storage::new());
    stack.profile("execution", Profile::new().on(&data, [Queue::DATA_READ]));
}
