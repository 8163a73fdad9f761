use alien_core::{Code, Container};

fn main() {
    let _ = Container::new(Code::zip(b"i"), "execution").with_commands();
}
