//! The requests and answers of a recorded proof, and the answer that a replayed request gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use alien_core::adapter::Exchange;
use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of `exchanges.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The step in which it was made.
    pub step: String,
    /// When the answer came.
    pub at: Timestamp,
    /// The request and its answer.
    #[serde(flatten)]
    pub exchange: Exchange,
}

/// The exchanges that were not replayed yet.
///
/// Within a step, requests may come in another order than the recorded one, because some are concurrent. Equal requests get their
/// answers in the recorded order.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Each line, with its number from 1, and its target without the parts that differ in each run.
    left: Vec<(usize, Line, String)>,
    /// Ids and times of the recording, and those of this run in their place.
    renamed: BTreeMap<String, String>,
    /// Every id of the recording.
    chosen: BTreeSet<String>,
    /// When the first and the last answer came.
    recorded: Option<(Timestamp, Timestamp)>,
    /// The highest number of a line that was replayed: no request waits for a line before it any more.
    passed: usize,
    /// The last line that was replayed.
    last: Option<(usize, String)>,
    differences: Vec<String>,
}

/// Matches what differs in each run: ids, suffixes of revisions, times as text, and times as a number of seconds, milli-, micro- or
/// nanoseconds.
static CHOSEN: LazyLock<Result<Regex, regex_lite::Error>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\br[0-9a-f]{8}\b)",
        r"|(?P<time>\d{4}-\d\d-\d\dT\d\d(?::|%3A)\d\d(?::|%3A)\d\d(?:\.\d+)?Z)",
        r"|(?P<number>\b\d{10}(?:\d{3}(?:\d{3}(?:\d{3})?)?)?\b)",
    ))
});

/// A part of a text: fixed, or different in each run.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Fixed(&'t str),
    Id(&'t str),
    Time(&'t str, Timestamp),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut end) = (Vec::new(), 0);
    let found = CHOSEN.as_ref().map(|chosen| chosen.captures_iter(text).collect()).unwrap_or_else(|_| Vec::new());
    for captures in found {
        let Some(whole) = captures.get(0) else { continue };
        let word = whole.as_str();
        let part = match (captures.name("id"), captures.name("time")) {
            (Some(_), _) => Some(Part::Id(word)),
            (_, Some(_)) => plain(word).parse().ok().map(|at| Part::Time(word, at)),
            _ => counted(word).map(|at| Part::Time(word, at)),
        };
        let Some(part) = part else { continue };
        parts.push(Part::Fixed(text.get(end..whole.start()).unwrap_or_default()));
        parts.push(part);
        end = whole.end();
    }
    parts.push(Part::Fixed(text.get(end..).unwrap_or_default()));
    parts
}

/// Returns a time without the encoding of a form: an answer has it without.
fn plain(time: &str) -> String {
    time.replace("%3A", ":")
}

/// Returns the fixed parts of a text.
fn fixed(text: &str) -> String {
    parts(text).into_iter().filter_map(|part| if let Part::Fixed(text) = part { Some(text) } else { None }).collect()
}

/// Returns the time that a number of seconds, milli-, micro- or nanoseconds stands for.
fn counted(digits: &str) -> Option<Timestamp> {
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        10 => Timestamp::from_second(number).ok(),
        13 => Timestamp::from_millisecond(number).ok(),
        16 => Timestamp::from_microsecond(number).ok(),
        _ => Timestamp::from_nanosecond(number.into()).ok(),
    }
}

/// How far outside the recording a time may be and still count as one of its times: logs are asked for since a while ago.
const AROUND: SignedDuration = SignedDuration::from_hours(24);

impl Recording {
    /// Reads `exchanges.jsonl`.
    ///
    /// # Errors
    ///
    /// The number of the first line that is in another form, and why.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let left = lines.map(|(index, line)| {
            let number = index + 1;
            let line: Line = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
            let fixed = fixed(&line.exchange.target);
            Ok((number, line, fixed))
        });
        let left: Vec<(usize, Line, String)> = left.collect::<Result<_, String>>()?;
        let times = || left.iter().map(|(_, line, _)| line.at);
        let mut chosen = BTreeSet::new();
        for part in parts(text) {
            if let Part::Id(word) = part {
                chosen.insert(word.to_owned());
            }
        }
        Ok(Self {
            recorded: times().min().zip(times().max()),
            left,
            renamed: BTreeMap::new(),
            chosen,
            passed: 0,
            last: None,
            differences: Vec::new(),
        })
    }

    /// Returns when the next answer of a step came.
    pub(crate) fn next_of(&self, step: &str) -> Option<Timestamp> {
        self.of_step(step).next().map(|(_, (_, line, _))| line.at)
    }

    /// Returns how many requests were not replayed yet.
    pub(crate) fn len(&self) -> usize {
        self.left.len()
    }

    /// Returns whether a request is the next of its step: every recorded one before it was replayed. A request that was not recorded is
    /// always next.
    pub(crate) fn is_next(&self, step: &str, asked: &Exchange) -> bool {
        let first = self.of_step(step).find(|(_, (number, ..))| *number > self.passed).map(|(at, _)| at);
        self.found(step, asked).is_none_or(|(at, _)| first.is_none_or(|first| at <= first))
    }

    fn of_step(&self, step: &str) -> impl Iterator<Item = (usize, &(usize, Line, String))> {
        self.left.iter().enumerate().filter(move |(_, (_, line, _))| line.step == step)
    }

    /// Finds the line whose request this is, with the ids and times that differ.
    fn found(&self, step: &str, asked: &Exchange) -> Option<(usize, Vec<(String, String)>)> {
        let like = fixed(&asked.target);
        let mut like =
            self.of_step(step).filter(|(_, (_, line, fixed))| line.exchange.verb == asked.verb && *fixed == like);
        like.find_map(|(at, (_, line, _))| Some((at, self.compared(&line.exchange, asked).ok()?)))
    }

    /// Returns the answer that a request got in a step, and when it came.
    ///
    /// # Errors
    ///
    /// A description of the difference, if the request was not recorded.
    pub(crate) fn answer(&mut self, step: &str, asked: &Exchange) -> Result<(Exchange, Timestamp), String> {
        let found = self.found(step, asked);
        let Some((at, renamed)) = found else {
            let differing = self.of_step(step).filter_map(|(_, (number, line, _))| {
                let (rank, what) = self.compared(&line.exchange, asked).err()?;
                Some((rank, *number, what))
            });
            // The first of the most similar ones.
            let nearest = differing.reduce(|best, next| if next.0 > best.0 { next } else { best });
            let request = request(asked);
            let told = match nearest {
                // With another verb, host or path it is another request.
                Some((rank, number, what)) if rank >= SAME_THING => {
                    format!("exchange {number} (`{step}`, {request}): {what}")
                }
                _ => format!("`{step}`: {request} is not recorded there"),
            };
            if !self.differences.contains(&told) {
                self.differences.push(told.clone());
            }
            return Err(told);
        };
        self.renamed.extend(renamed);
        let (number, Line { at, exchange, .. }, _) = self.left.remove(at);
        self.last = Some((number, request(&exchange)));
        self.passed = self.passed.max(number);
        Ok((self.renamed(exchange), at))
    }

    /// Replaces the ids and times of the recording in an answer by those of this run.
    fn renamed(&self, mut exchange: Exchange) -> Exchange {
        let new = |text: &str| {
            let mut new = String::with_capacity(text.len());
            for part in parts(text) {
                match part {
                    Part::Fixed(word) => new.push_str(word),
                    Part::Id(word) | Part::Time(word, _) => {
                        new.push_str(self.renamed.get(&plain(word)).map_or(word, String::as_str));
                    }
                }
            }
            new
        };
        exchange.answered.values_mut().for_each(|value| *value = new(value));
        each(&mut exchange.answer, &new);
        exchange
    }

    /// Compares two requests. Returns the ids and times that differ; or how many properties are equal, and the first that is not.
    fn compared(&self, recorded: &Exchange, asked: &Exchange) -> Result<Vec<(String, String)>, (usize, String)> {
        let mut renamed = Vec::new();
        let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        let kept = [
            ("verb", recorded.verb.clone(), asked.verb.clone()),
            ("host", recorded.host.clone(), asked.host.clone()),
            ("operation", operation(recorded).to_owned(), operation(asked).to_owned()),
            ("path", path(&recorded.target), path(&asked.target)),
            ("target", recorded.target.clone(), asked.target.clone()),
        ];
        for (rank, (what, recorded, asked)) in kept.iter().enumerate() {
            self.text(recorded, asked, &mut renamed).map_err(|()| (rank, differs(what, recorded, asked)))?;
        }
        let after = kept.len();
        for name in recorded.headers.keys().chain(asked.headers.keys()) {
            let [one, other] = [recorded, asked].map(|of| of.headers.get(name).map_or("", String::as_str));
            self.text(one, other, &mut renamed)
                .map_err(|()| (after, differs(&format!("header `{name}`"), one, other)))?;
        }
        self.value("body", &recorded.body, &asked.body, &mut renamed).map_err(|what| (after, what))?;
        Ok(renamed)
    }

    fn value(
        &self,
        at: &str,
        recorded: &Value,
        asked: &Value,
        renamed: &mut Vec<(String, String)>,
    ) -> Result<(), String> {
        let other = || differs(at, recorded, asked);
        match (recorded, asked) {
            (Value::Object(one), Value::Object(two)) => {
                // Ids can be names of fields too.
                let mut rest: Vec<(&String, &Value)> = two.iter().collect();
                for (name, value) in one {
                    let same = |(known, _): &&(&String, &Value)| *known == name;
                    let like = |(known, _): &&(&String, &Value)| self.text(name, known, &mut Vec::new()).is_ok();
                    let found = rest.iter().find(same).or_else(|| rest.iter().find(like)).copied();
                    let Some((known, given)) = found else {
                        return Err(differs(&format!("{at}.{name}"), value, &Value::Null));
                    };
                    rest.retain(|(left, _)| *left != known);
                    self.text(name, known, renamed).map_err(|()| other())?;
                    self.value(&format!("{at}.{name}"), value, given, renamed)?;
                }
                match rest.first() {
                    Some((name, value)) => Err(differs(&format!("{at}.{name}"), &Value::Null, value)),
                    None => Ok(()),
                }
            }
            (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
                for (index, (one, two)) in one.iter().zip(two).enumerate() {
                    self.value(&format!("{at}[{index}]"), one, two, renamed)?;
                }
                Ok(())
            }
            (Value::String(one), Value::String(two)) => match (fields(one), fields(two)) {
                (Some(one), Some(two)) if one.len() == two.len() => {
                    for ((name, one), (known, two)) in one.into_iter().zip(two) {
                        if name != known {
                            return Err(other());
                        }
                        self.text(one, two, renamed).map_err(|()| differs(&format!("{at}.{name}"), one, two))?;
                    }
                    Ok(())
                }
                _ => self.text(one, two, renamed).map_err(|()| other()),
            },
            (one, two) if one == two => Ok(()),
            (Value::Number(one), Value::Number(two)) => {
                self.text(&one.to_string(), &two.to_string(), renamed).map_err(|()| other())
            }
            _ => Err(other()),
        }
    }

    /// Compares two texts, but for ids and times. Each id stands for one id of this run, which occurs nowhere in the recording.
    fn text(&self, recorded: &str, asked: &str, renamed: &mut Vec<(String, String)>) -> Result<(), ()> {
        if recorded == asked {
            return Ok(());
        }
        let (one, two) = (parts(recorded), parts(asked));
        if one.len() != two.len() {
            return Err(());
        }
        for pair in one.into_iter().zip(two) {
            match pair {
                (Part::Fixed(one), Part::Fixed(two)) if one == two => {}
                (Part::Time(one, then), Part::Time(two, now))
                    if one == two || (self.is_of(then) && self.is_of(now)) =>
                {
                    renamed.push((plain(one), plain(two)));
                }
                (Part::Id(one), Part::Id(two)) => {
                    let known = renamed.iter().find(|(known, _)| known == one).map(|(_, new)| new);
                    let known = known.or_else(|| self.renamed.get(one));
                    match known {
                        Some(known) if known == two => {}
                        Some(_) => return Err(()),
                        None if one == two => {}
                        None if self.chosen.contains(two) => return Err(()),
                        None => renamed.push((one.to_owned(), two.to_owned())),
                    }
                }
                _ => return Err(()),
            }
        }
        Ok(())
    }

    /// Returns whether a time is within [`AROUND`] of the recording.
    fn is_of(&self, time: Timestamp) -> bool {
        self.recorded
            .is_some_and(|(begun, ended)| time.duration_since(begun) >= -AROUND && time.duration_since(ended) <= AROUND)
    }

    /// Describes the last exchange that was replayed.
    pub(crate) fn last(&self) -> String {
        self.last.as_ref().map_or_else(String::new, |(number, request)| format!("exchange {number} ({request})"))
    }

    /// Describes the requests that were not recorded, and then the recorded ones that were not replayed.
    pub(crate) fn differences(&self) -> Vec<String> {
        let left = self.left.iter().map(|(number, Line { step, exchange, .. }, _)| {
            format!("exchange {number} (`{step}`, {}) is not asked for", request(exchange))
        });
        self.differences.iter().cloned().chain(left).collect()
    }
}

/// How many properties two requests for the same thing have in common at least: verb, host, operation and path.
const SAME_THING: usize = 4;

/// How many characters of a value a difference shows.
const SHOWN: usize = 200;

fn differs(what: &str, recorded: impl ToString, asked: impl ToString) -> String {
    let short = |text: String| match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    };
    let mut told = format!("{what}: ");
    let _ = write!(told, "recorded `{}`, asked `{}`", short(recorded.to_string()), short(asked.to_string()));
    told
}

/// Parses a form, `a=b&c=d`.
fn fields(text: &str) -> Option<Vec<(&str, &str)>> {
    let is_form = text.contains('=') && !text.contains([' ', '<', '{', '\n']);
    is_form.then(|| text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
}

/// Returns the operation that a request of AWS's names in its header or its form; for others, an empty text.
fn operation(exchange: &Exchange) -> &str {
    let named = exchange.headers.get("x-amz-target").map(String::as_str);
    let action = || fields(exchange.body.as_str()?)?.into_iter().find(|(name, _)| *name == "Action");
    named.or_else(|| action().map(|(_, action)| action)).unwrap_or_default()
}

/// Describes a request.
fn request(exchange: &Exchange) -> String {
    let Exchange { verb, host, target, .. } = exchange;
    format!("{verb} {host}{target} {}", operation(exchange)).trim_end().to_owned()
}

/// Replaces every text of a document, and every name of a field.
fn each(value: &mut Value, new: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = new(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, new)),
        Value::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                each(&mut value, new);
                fields.insert(new(&name), value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0190a1b2-0000-7000-8000-000000000001";
    const RUN: &str = "0190a1b2-0000-7000-8000-00000000000a";
    const ANOTHER: &str = "0190a1b2-0000-7000-8000-00000000000b";

    fn exchange(verb: &str, target: &str, body: &Value, answer: &Value) -> Exchange {
        let bytes = |value: &Value| if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
        let url = format!("https://cloud.example{target}");
        Exchange::asked(verb, &url, [], &bytes(body)).with_answer(200, [], &bytes(answer))
    }

    fn recording(exchanges: &[(&str, Exchange)]) -> Recording {
        let line = |(step, exchange): &(&str, Exchange)| {
            let at = "2026-11-01T10:00:00Z".parse().unwrap();
            let line = Line { step: (*step).to_owned(), at, exchange: exchange.clone() };
            serde_json::to_string(&line).unwrap()
        };
        Recording::read(&exchanges.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap()
    }

    #[test]
    fn what_a_run_chooses_anew_may_differ_and_is_in_the_answers_as_it_is_this_time() {
        let put = |run: &str, at: &str| json!({ "tags": { "claim": format!("{run}/{at}"), "owner": ID } });
        let recorded = put(RUN, "2026-11-01T10:00:01.5Z");
        let get = exchange("GET", "/a", &Value::Null, &json!({ "claim": RUN, "owner": ID }));
        let mut replayed =
            recording(&[("a", exchange("PUT", "/a?since=1793527201", &recorded, &recorded)), ("a", get.clone())]);
        let asked = put(ANOTHER, "2026-11-01T11:00:00Z");
        assert_eq!(replayed.next_of("a").unwrap().to_string(), "2026-11-01T10:00:00Z");
        let (given, at) = replayed.answer("a", &exchange("PUT", "/a?since=1793530000", &asked, &Value::Null)).unwrap();
        assert_eq!((given.answer, at), (asked, replayed.next_of("a").unwrap()));
        assert_eq!(replayed.answer("a", &get).unwrap().0.answer, json!({ "claim": ANOTHER, "owner": ID }));
        assert_eq!((replayed.differences(), replayed.len()), (vec![], 0));
    }

    #[test]
    fn a_form_is_told_by_its_operation_and_its_times_are_plain_in_the_answer() {
        let form = |action: &str, run: &str, at: &str, answer: &str| {
            let body = format!("Action={action}&Tag={run}%20{at}");
            Exchange::asked("POST", "https://cloud.example/", [], body.as_bytes()).with_answer(
                200,
                [],
                answer.as_bytes(),
            )
        };
        let tag = |run: &str, at: &str| format!("<Tag><Key>claim</Key><Value>{run} {at}</Value></Tag>");
        let recorded = || {
            let answer = tag(RUN, "2026-11-01T10:01:00Z");
            recording(&[("a", form("TagRole", RUN, "2026-11-01T10%3A01%3A00Z", &answer))])
        };
        let again = form("TagRole", ANOTHER, "2026-11-01T11%3A01%3A00Z", "");
        let (given, _) = recorded().answer("a", &again).unwrap();
        assert_eq!(given.answer, json!(tag(ANOTHER, "2026-11-01T11:01:00Z")));
        let other = form("GetRole", ANOTHER, "2026-11-01T11%3A01%3A00Z", "");
        assert_eq!(
            recorded().answer("a", &other).unwrap_err(),
            "`a`: POST cloud.example/ GetRole is not recorded there"
        );
    }

    #[test]
    fn what_differs_is_told_by_exchange_and_field() {
        let body = |id: &str, scale: u8| json!({ "properties": { "owner": id, "scale": scale } });
        let recorded = || {
            recording(&[
                ("a", exchange("GET", "/b", &Value::Null, &Value::Null)),
                ("a", exchange("PUT", "/a", &body(ID, 1), &json!({ "run": RUN }))),
            ])
        };
        let told = |asked: &Exchange| recorded().answer("a", asked).unwrap_err();
        let put = |body: &Value| exchange("PUT", "/a", body, &Value::Null);
        assert_eq!(
            told(&put(&body(ID, 2))),
            "exchange 2 (`a`, PUT cloud.example/a): body.properties.scale: recorded `1`, asked `2`"
        );
        // Another id of the recording is no new one.
        assert!(
            told(&put(&body(RUN, 1))).contains(&format!("body.properties.owner: recorded `\"{ID}\"`")),
            "{}",
            told(&put(&body(RUN, 1)))
        );
        assert!(told(&put(&json!({}))).contains("body.properties: recorded"));
        let told = told(&exchange("DELETE", "/a", &Value::Null, &Value::Null));
        assert_eq!(told, "`a`: DELETE cloud.example/a is not recorded there");
        let mut elsewhere = recorded();
        assert!(elsewhere.answer("b", &put(&body(ID, 1))).unwrap_err().contains("is not recorded there"));
        assert_eq!(elsewhere.differences().len(), 3);
        assert_eq!(elsewhere.differences()[1], "exchange 1 (`a`, GET cloud.example/b) is not asked for");
    }

    #[test]
    fn one_id_is_another_one_everywhere() {
        let both = |one: &str, two: &str| exchange("PUT", "/a", &json!([one, two]), &Value::Null);
        let mut replayed = recording(&[("a", both(RUN, RUN))]);
        assert!(replayed.answer("a", &both(ANOTHER, ID)).is_err());
        assert!(replayed.answer("a", &both(ANOTHER, ANOTHER)).is_ok());
    }
}
