//! Text from outside, made safe for a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

/// Whether a terminal shows the character and does nothing else. A line break and a tab are what they look like.
///
/// Not so: control characters (C0, DEL, C1), which move the cursor, set titles and clear screens; and those that change the direction or
/// break of lines, by which text looks like another (<https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>).
#[must_use]
pub fn is_printable(letter: char) -> bool {
    match letter {
        '\n' | '\t' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    }
}

/// Writes every character that is not [printable](is_printable) as JSON does, `\u001b`, so that JSON stays the same JSON.
///
/// ```
/// use alien_core::adapter::printable;
///
/// assert_eq!(printable("healthy"), "healthy");
/// assert_eq!(printable("\u{1b}[2J"), r"\u001b[2J");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_printable(letter) {
            shown.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(shown)
}

/// A writer of text, such as the lines of a log, whose characters are written as by [`printable`]. Each write is a whole text.
#[derive(Debug)]
pub struct Printable<W>(pub W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable(&String::from_utf8_lossy(text)).as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out_and_json_stays_the_same() {
        let wild = "a\u{1b}]0;title\u{7}\r\u{7f}\u{9b}2J\u{202e}b\u{2066}\u{2028}\tc\nd äöü 漢字 🚀";
        let shown = printable(wild);
        assert!(shown.chars().all(is_printable), "{shown:?}");
        assert_eq!(shown, "a\\u001b]0;title\\u0007\\u000d\\u007f\\u009b2J\\u202eb\\u2066\\u2028\tc\nd äöü 漢字 🚀");
        let mut written = Printable(Vec::new());
        written.write_all(wild.as_bytes()).unwrap();
        assert_eq!(written.0, shown.as_bytes());
        let json = serde_json::to_string_pretty(&[wild]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&printable(&json)).unwrap(), [wild]);
    }
}
