//! The man pages and completions of every program.

#[path = "../../examples/manual.rs"]
mod example;

use std::fs;

use clap::Command;

use crate::nowhere;

#[test]
fn every_program_has_pages_and_completions() {
    let folder = nowhere("manual");
    let _ = fs::remove_dir_all(&folder);
    example::write(&folder).unwrap();
    for name in ["alien", "alien-deploy", "alien-prove", "alien-agent", "alien-manager", "alien-sim"] {
        let page = fs::read_to_string(folder.join(format!("man1/{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
        for (file, words) in [
            (format!("bash/{name}"), "complete -F".to_owned()),
            (format!("fish/{name}.fish"), format!("complete -c {name}")),
            (format!("zsh/_{name}"), format!("#compdef {name}")),
        ] {
            assert!(fs::read_to_string(folder.join(&file)).unwrap().contains(&words), "{file}");
        }
    }
    for (page, option) in [
        ("alien-agent-run", "credentials"),
        ("alien-agent-rekey", "new"),
        ("alien-manager", "behind"),
        ("alien-sim", "folder"),
    ] {
        let text = fs::read_to_string(folder.join(format!("man1/{page}.1"))).unwrap();
        assert!(text.contains(option), "{page}: {text}");
    }
}

#[test]
fn every_help_fits_in_80_columns() {
    fn look(command: &mut Command, count: &mut usize) {
        *count += 1;
        let help = command.render_long_help().to_string();
        for line in help.lines().filter(|line| line.chars().count() > 80) {
            // A word that is longer stands alone.
            assert_eq!(line.split_whitespace().count(), 1, "{}: {line}", command.get_name());
        }
        command.get_subcommands_mut().for_each(|command| look(command, count));
    }

    let mut count = 0;
    for mut command in example::commands() {
        command.build();
        look(&mut command, &mut count);
    }
    assert!(count > 60, "{count}");
}
