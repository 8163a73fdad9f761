use alien_core::{Code, Container};

fn main() {
    let _ = Container::new(Code::image("i"), "execution").commands();
}
