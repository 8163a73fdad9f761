//! The tokens of a manager.

use std::fs;
use std::path::Path;

use crate::manager::Manager;
use crate::{alien, done, told, with};

#[test]
fn a_token_is_made_used_and_revoked_and_its_text_stands_in_its_file_alone() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manager-tokens");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let manager = Manager::begin(&folder);
    let does = |arguments: &[&str], token: &str| alien(&with(arguments, &manager.flags_with(token)));
    let file = folder.join("ann.token").display().to_string();
    let create = ["manager", "token", "create", "ann", "--role", "read", "--all-products", "--out", &file];
    let said = done(&does(&create, &manager.token));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("alien_") && !said.contains(text.trim()), "{said}");

    assert_eq!(done(&does(&["rollout", "list", "--json"], &file)).trim(), "[]");
    let told = told(&does(&["manager", "token", "list"], &file));
    assert!(told.contains("admin"), "{told}");
    let listed = done(&does(&["manager", "token", "list", "--json"], &manager.token));
    assert!(!listed.contains(text.trim()), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let ann = listed.as_array().unwrap().iter().find(|token| token["name"] == "ann").unwrap();
    let id = ann["id"].as_str().unwrap();
    done(&does(&["manager", "token", "revoke", id], &manager.token));
    let refused = does(&["rollout", "list"], &file);
    assert!(!refused.status.success());
}
