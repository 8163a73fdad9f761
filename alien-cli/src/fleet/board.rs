//! Shows a rollout while it goes on: bars on a terminal, lines elsewhere.

use std::io::{self, IsTerminal as _};

use alien_core::rollout::{Head, Tally};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::ending::standing;
use super::table::{Pace, Told};
use crate::args::Shown;
use crate::output::{self, beside, fitting};

/// Where a rollout is shown.
pub(super) enum Board {
    /// On a terminal: a bar for each wave, and a line on the whole.
    Bars(Bars),
    /// Elsewhere: a line for each change.
    Lines(Lines),
    /// Nowhere: the output is JSON.
    Silent,
}

impl Board {
    pub(super) fn new(shown: Shown) -> Self {
        if shown.json {
            Self::Silent
        } else if io::stderr().is_terminal() {
            Self::Bars(Bars::over(ProgressDrawTarget::stderr()))
        } else {
            Self::Lines(Lines::default())
        }
    }

    /// Shows where the rollout stands.
    pub(super) fn show(&mut self, head: &Head, now: Timestamp) {
        match self {
            Self::Bars(bars) => bars.show(head, now),
            Self::Lines(lines) => lines.news(head, now).into_iter().for_each(output::note),
            Self::Silent => {}
        }
    }

    /// Tells what failed.
    pub(super) fn tell(&self, told: &Told) {
        match self {
            Self::Bars(bars) => {
                // A terminal that went away shows nothing.
                let _ = bars.all.println(output::wrapped(beside(0), &told.line(), "  ").join("\n"));
            }
            Self::Lines(_) => output::note(told.line()),
            Self::Silent => {}
        }
    }

    /// Says something about the rollout.
    pub(super) fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => drop(bars.all.println(output::wrapped(beside(0), text, "").join("\n"))),
            Self::Lines(_) | Self::Silent => output::note(text),
        }
    }
}

/// As `10 good, 1 bad, 2 watched, 3 updating, 4 waiting`.
pub(super) fn counts(wave: &Tally) -> String {
    let counts = [
        (wave.good, "good"),
        (wave.bad, "bad"),
        (wave.unknown, "unknown"),
        (wave.not_tried, "not tried"),
        (wave.baking, "watched"),
        (wave.claimed, "updating"),
        (wave.waiting, "waiting"),
        (wave.parked, "parked"),
        (wave.reverted, "reverted"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "nobody".to_owned() } else { counts.join(", ") }
}

/// Bars on a terminal.
pub(super) struct Bars {
    all: MultiProgress,
    waves: Vec<ProgressBar>,
    whole: ProgressBar,
}

impl Bars {
    fn over(to: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(to);
        let whole = all.add(styled(ProgressBar::no_length(), "{spinner} {wide_msg}"));
        Self { all, waves: Vec::new(), whole }
    }

    fn show(&mut self, head: &Head, now: Timestamp) {
        for (number, wave) in head.waves().iter().enumerate() {
            if self.waves.len() <= number {
                let bar = ProgressBar::new(u64::from(wave.all)).with_prefix(format!("wave {number}"));
                let bar = styled(bar, &format!("{{prefix:8}} [{{bar:{}}}] {{pos}}/{{len}} {{wide_msg}}", wide()));
                self.waves.push(self.all.insert_before(&self.whole, bar));
            }
            if let Some(bar) = self.waves.get(number) {
                bar.set_position(u64::from(wave.all.saturating_sub(wave.unsettled())));
                // With the name of the wave, the numbers, and what is between them.
                let before = wide() + 2 * wave.all.to_string().len() + 14;
                bar.set_message(fitting(&counts(wave), beside(before)));
            }
        }
        let pace = Pace::of(head, now).map(|pace| format!(" ({pace})")).unwrap_or_default();
        self.whole.set_message(fitting(&format!("{}{pace}", standing(head)), beside(2)));
        self.whole.tick();
    }
}

/// How wide a bar is. On a narrow terminal the words need the room.
fn wide() -> usize {
    if beside(0) < 60 { 6 } else { 24 }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.waves.iter().for_each(ProgressBar::abandon);
        self.whole.finish_and_clear();
    }
}

/// What was said last, so that only news is said.
#[derive(Debug, Default)]
pub(super) struct Lines {
    standing: String,
    waves: Vec<String>,
}

impl Lines {
    /// What is new.
    fn news(&mut self, head: &Head, now: Timestamp) -> Vec<String> {
        let mut news = Vec::new();
        let standing = standing(head);
        if standing != self.standing {
            news.push(standing.clone());
            self.standing = standing;
        }
        for (number, wave) in head.waves().iter().enumerate().take(head.wave() as usize + 1) {
            let counts = counts(wave);
            if self.waves.len() <= number {
                self.waves.push(String::new());
            }
            let Some(last) = self.waves.get_mut(number).filter(|last| **last != counts) else { continue };
            let pace = Pace::of(head, now).map(|pace| format!(" ({pace})")).unwrap_or_default();
            news.push(format!("wave {number}: {counts}{pace}"));
            *last = counts;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::example::{rollout, updated};

    #[test]
    fn only_news_is_said() {
        let (mut lines, (mut rollout, now)) = (Lines::default(), rollout(4));
        assert_eq!(lines.news(rollout.head(), now), ["wave 0 is open", "wave 0: 1 waiting"]);
        assert!(lines.news(rollout.head(), now).is_empty());
        let now = updated(&mut rollout, now);
        let said = lines.news(rollout.head(), now);
        assert_eq!(said, ["wave 0 is baking", "wave 0: 1 watched (60 a minute, about 3s left)"]);
    }

    #[test]
    fn bars_count_what_is_settled_and_say_how_the_rest_is() {
        let (mut bars, (mut rollout, now)) = (Bars::over(ProgressDrawTarget::hidden()), rollout(4));
        bars.show(rollout.head(), now);
        let state = |bars: &Bars| -> Vec<_> { bars.waves.iter().map(|bar| (bar.position(), bar.message())).collect() };
        assert_eq!(state(&bars), [(0, "1 waiting".to_owned()), (0, "3 waiting".to_owned())]);
        let now = updated(&mut rollout, now);
        bars.show(rollout.head(), now);
        assert_eq!(state(&bars), [(0, "1 watched".to_owned()), (0, "3 waiting".to_owned())]);
        assert_eq!(bars.whole.message(), "wave 0 is baking (60 a minute, about 3s left)");
    }
}
