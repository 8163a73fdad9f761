use alien_core::{Stack, Storage};

fn main() {
    let mut stack = Stack::builder("my-app");
    let data = stack.frozen("data", Storage::new());
    stack.extend(&data, [Storage::DATA_READ]);
}
