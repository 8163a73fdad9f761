use alien_core::{Code, Function, Stack, Storage};

fn main() {
    let mut stack = Stack::builder("my-app");
    let data = stack.frozen("data", Storage::new());
    stack.live("api", Function::new(Code::zip(b"i"), "execution").with_trigger(&data));
}
