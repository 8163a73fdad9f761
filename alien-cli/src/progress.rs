//! Shows the progress of a run.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alien_core::Event;
use alien_core::adapter::{Progress, Silent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Shown;
use crate::output::{self, beside, fitting};

/// Shows progress as a bar on a terminal and as lines elsewhere. JSON output shows none. `things` is the number of
/// steps.
pub(crate) fn progress(shown: Shown, things: usize) -> Box<dyn Progress> {
    if shown.json {
        Box::new(Silent)
    } else if io::stderr().is_terminal() {
        Box::new(Bar::over(things, ProgressDrawTarget::stderr()))
    } else {
        Box::new(|event: &Event| {
            if event.stage.is_end() {
                output::note(line(event));
            }
        })
    }
}

/// How long nothing needs to be shown.
pub(crate) const MOMENT: Duration = Duration::from_secs(2);

/// Shows on a terminal what is done, if it takes longer than a moment. Elsewhere nothing that depends on time is printed.
pub(crate) async fn if_long<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let spinner = ProgressBar::new_spinner();
    let done = told_if_long(doing, || {
        spinner.set_message(fitting(what, beside(2)));
        spinner.enable_steady_tick(Duration::from_millis(120));
    });
    let done = done.await;
    spinner.finish_and_clear();
    done
}

async fn told_if_long<T>(doing: impl Future<Output = T>, tell: impl FnOnce()) -> T {
    let mut doing = pin!(doing);
    match tokio::time::timeout(MOMENT, &mut doing).await {
        Ok(done) => done,
        Err(_) => {
            tell();
            doing.await
        }
    }
}

fn line(event: &Event) -> String {
    format!("{:<8} {}", event.stage.name(), what(event))
}

fn what(event: &Event) -> String {
    format!("{} ({})", event.subject, event.kind)
}

/// The same within a width: broken between words, below each other.
fn lines(event: &Event, width: usize) -> String {
    let what = output::wrapped(width.saturating_sub(9), &what(event), "").join(&format!("\n{:9}", ""));
    format!("{:<8} {what}", event.stage.name())
}

/// A progress bar that names the steps under way, and prints each finished one above.
struct Bar {
    bar: ProgressBar,
    under_way: Mutex<BTreeSet<String>>,
    /// How much of a line is before the message.
    before: usize,
}

impl Bar {
    fn over(things: usize, to: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(u64::try_from(things).ok(), to);
        // On a narrow terminal the names need the room.
        let wide = if beside(0) < 60 { 8 } else { 30 };
        let template = format!("{{spinner}} [{{bar:{wide}}}] {{pos}}/{{len}} {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let before = wide + 2 * things.to_string().len() + 8;
        Self { bar, under_way: Mutex::default(), before }
    }
}

impl Progress for Bar {
    fn event(&self, event: &Event) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if event.stage.is_end() {
            under_way.remove(&event.subject);
            self.bar.println(lines(event, beside(0)));
            // A subject that the stack does not need is reported too, but is no step of the plan.
            if self.bar.length().is_none_or(|length| self.bar.position() < length) {
                self.bar.inc(1);
            }
        } else {
            under_way.insert(event.subject.clone());
        }
        let names = under_way.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.bar.set_message(fitting(&names, beside(self.before)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use alien_core::Stage;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_a_moment_is_told_once() {
        for (seconds, times) in [(0, 0), (1, 0), (3, 1), (600, 1)] {
            let mut told = 0;
            let doing = tokio::time::sleep(Duration::from_secs(seconds));
            told_if_long(doing, || told += 1).await;
            assert_eq!(told, times, "{seconds} seconds");
        }
    }

    #[test]
    fn what_ended_is_told_in_whole_words_at_any_width() {
        let event = event("the identity that trusts the vendor", Stage::Created);
        assert_eq!(lines(&event, 80), line(&event));
        assert_eq!(lines(&event, 30), "created  the identity that\n         trusts the vendor\n         (queue)");
    }

    fn event(subject: &str, stage: Stage) -> Event {
        Event {
            subject: subject.to_owned(),
            kind: "queue".into(),
            stage,
            deployment: alien_core::DeploymentId::new(),
            release: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            took: None,
        }
    }

    #[test]
    fn a_bar_counts_what_ended_and_names_what_is_under_way() {
        let bar = Bar::over(3, ProgressDrawTarget::hidden());
        let tell = |subject: &str, stage| bar.event(&event(subject, stage));
        tell("data", Stage::Creating);
        tell("api", Stage::Creating);
        assert_eq!((bar.bar.position(), bar.bar.message().as_str()), (0, "api, data"));
        tell("data", Stage::Created);
        tell("jobs", Stage::Left);
        assert_eq!((bar.bar.position(), bar.bar.message().as_str()), (2, "api"));
        tell("api", Stage::Created);
        tell("what the resources share", Stage::Left);
        assert_eq!((bar.bar.position(), bar.bar.message().as_str()), (3, ""));
    }
}
