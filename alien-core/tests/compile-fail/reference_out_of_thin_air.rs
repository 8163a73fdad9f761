use alien_core::{Live, Ref, Storage};

fn main() {
    let _: Ref<Storage, Live> = Ref { id: "data".to_owned() };
}
