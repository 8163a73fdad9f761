//! Tables, as wide as the terminal.

use std::collections::HashSet;
use std::env;
use std::io::{self, IsTerminal as _};

use alien_core::adapter::printable;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::args::Format;

/// How wide a table is where no terminal shows it, so that it is the same everywhere.
const WITHOUT_TERMINAL: u16 = 120;

/// Columns of what is copied into other commands: it is not broken into lines.
const WHOLE: [&str; 2] = ["deployment", "rollout"];

/// Renders a table for the terminal or for Markdown.
pub(crate) fn table(format: Format, header: &[&str], rows: Vec<Vec<String>>) -> String {
    // Before widths are counted.
    let shown = |row: Vec<String>| row.iter().map(|cell| printable(cell).into_owned()).collect();
    let rows = rows.into_iter().map(shown).collect();
    if format == Format::Markdown { markdown(header, rows) } else { within(width(), header, rows) }
}

/// How many characters fit beside each other: what `COLUMNS` says, or the terminal.
fn width() -> u16 {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let terminal = || terminal_size::terminal_size().filter(|_| io::stdout().is_terminal()).map(|(width, _)| width.0);
    told.or_else(terminal).unwrap_or(WITHOUT_TERMINAL)
}

/// How many characters of a line of the terminal are left beside so many, where progress is shown.
pub(crate) fn beside(taken: usize) -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let width = told.or_else(|| terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| width.0));
    usize::from(width.unwrap_or(80)).saturating_sub(taken)
}

/// As many words of a text as have room, and a mark if that is not all: a terminal that has less room would cut one.
pub(crate) fn fitting(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut fits = String::new();
    for word in text.split(' ') {
        if fits.chars().count() + word.chars().count() + 2 > room {
            break;
        }
        fits.push_str(word);
        fits.push(' ');
    }
    if room > 0 {
        fits.push('…');
    }
    fits
}

fn markdown(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    // A cell of a Markdown table is one line, and `|` would end it.
    let cell = |text: String| text.replace('|', "\\|").replace('\n', "<br>");
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>()));
    table.trim_fmt()
}

/// Renders a table of at most this width, or, where its words are too long for that, each row as lines of its own. No word is broken.
fn within(width: u16, header: &[&str], rows: Vec<Vec<String>>) -> String {
    let least: Vec<usize> = (0..header.len()).map(|column| least(column, header, &rows)).collect();
    // A column has a line before it and a blank on both sides, and the last one a line after it.
    let whole: usize = least.iter().map(|least| least + 3).sum::<usize>() + 1;
    if whole > usize::from(width) {
        return blocks(usize::from(width), header, &rows);
    }
    let balanced = arranged(width, header, &rows, None);
    if has_all_words(&balanced, header, &rows) { balanced } else { arranged(width, header, &rows, Some(&least)) }
}

/// Lays columns out by their contents, with a least width for each if it is given.
fn arranged(width: u16, header: &[&str], rows: &[Vec<String>], least: Option<&[usize]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    for (position, (column, name)) in table.column_iter_mut().zip(header).enumerate() {
        if WHOLE.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else if let Some(least) = least.and_then(|least| least.get(position)) {
            // With the blanks on both sides.
            let least = u16::try_from(least + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    table.trim_fmt()
}

fn has_all_words(shown: &str, header: &[&str], rows: &[Vec<String>]) -> bool {
    let shown: HashSet<&str> = shown.split_whitespace().collect();
    let cells = rows.iter().flatten().map(String::as_str).chain(header.iter().copied());
    cells.flat_map(str::split_whitespace).all(|word| shown.contains(word))
}

/// The width below which a column would break a word.
fn least(column: usize, header: &[&str], rows: &[Vec<String>]) -> usize {
    let is_whole = header.get(column).is_some_and(|name| WHOLE.contains(name));
    let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str).chain(header.get(column).copied());
    let longest = |text: &str| {
        let parts: Box<dyn Iterator<Item = &str>> =
            if is_whole { Box::new(text.lines()) } else { Box::new(text.split_whitespace()) };
        parts.map(|part| part.chars().count()).max().unwrap_or(0)
    };
    cells.map(longest).max().unwrap_or(0)
}

/// Renders each row as lines, `header: cell`, with an empty line between rows.
fn blocks(width: usize, header: &[&str], rows: &[Vec<String>]) -> String {
    let blocks = rows.iter().map(|row| {
        let cells = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).flat_map(|(name, cell)| {
            let many = cell.lines().count() > 1;
            let name = if name.is_empty() { String::new() } else { format!("{name}:") };
            let lines = cell.lines().map(str::to_owned).collect::<Vec<_>>();
            match lines.as_slice() {
                [one] if !many => wrapped(width, &format!("{name} {one}"), "  "),
                several => std::iter::once(name)
                    .chain(several.iter().flat_map(|line| wrapped(width, &format!("  {line}"), "    ")))
                    .collect(),
            }
        });
        cells.collect::<Vec<_>>().join("\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// Breaks a text between words, so that the terminal breaks none.
pub(crate) fn paragraph(format: Format, text: &str) -> String {
    if format == Format::Markdown { text.to_owned() } else { wrapped(usize::from(width()), text, "").join("\n") }
}

/// Breaks a text between words, with this before each further line.
pub(crate) fn wrapped(width: usize, text: &str, before: &str) -> Vec<String> {
    let indent: String = text.chars().take_while(|letter| *letter == ' ').collect();
    let mut lines = Vec::new();
    let mut line = indent;
    let mut is_fresh = true;
    for word in text.split_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, before.to_owned()));
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["create", "api", "function", "it does not exist yet, and the stack has it"]),
            row(["refuse", "orders", "kv", "something of that name exists and is not this deployment's; remove it"]),
            row(["leave", "the identity that trusts the vendor", "identity", "line one\nline two"]),
        ]
    }

    const HEADER: [&str; 4] = ["action", "what", "type", "why"];

    #[test]
    fn no_width_breaks_a_word_or_loses_one() {
        let words = |text: &str| {
            let of = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let mut words =
                of(&text
                    .replace(['│', '┌', '┐', '└', '┘', '─', '┬', '┴', '├', '┤', '┼', '╞', '╡', '╪', '═', '┆'], " "));
            words.sort();
            words
        };
        let mut all: Vec<String> = example().concat().iter().flat_map(|cell| words(cell)).collect();
        all.sort();
        for width in [200, 120, 80, 60, 50, 40, 30, 10] {
            let shown = within(width, &HEADER, example());
            let told = words(&shown);
            for word in &all {
                assert!(told.contains(word), "`{word}` at {width}:\n{shown}");
            }
            let longest = all.iter().map(|word| word.chars().count()).max().unwrap();
            let is_narrow = usize::from(width) < longest + 10;
            for line in shown.lines() {
                assert!(is_narrow || line.chars().count() <= usize::from(width), "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_by_whole_words() {
        let text = "api, the identity that trusts the vendor, orders";
        for room in 0..60 {
            let fits = fitting(text, room);
            assert!(fits.chars().count() <= room, "{room}: {fits}");
            let whole = fits.strip_suffix('…').unwrap_or(&fits);
            assert!(
                text.starts_with(whole) && (whole.is_empty() || whole == text || whole.ends_with(' ')),
                "{room}: {fits}"
            );
        }
        assert_eq!((fitting(text, 20).as_str(), fitting(text, 48).as_str()), ("api, the identity …", text));
    }

    #[test]
    fn what_is_copied_stays_in_one_line() {
        let rows = vec![vec!["shop/12 of today".to_owned(), "a long sentence that may be broken anywhere".to_owned()]];
        let shown = within(50, &["rollout", "why"], rows);
        assert!(shown.contains("shop/12 of today"), "{shown}");
    }

    #[test]
    fn a_narrow_terminal_has_a_line_for_each_cell() {
        insta::assert_snapshot!("narrow", within(40, &HEADER, example()));
    }
}
