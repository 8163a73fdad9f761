//! The stable form of what a stack says of a resource. Fingerprints and differences are computed from it.
//!
//! It does not change with the JSON form: deployed things carry fingerprints of it, and a new field must not make a
//! frozen resource appear changed. So a field at its default is left out, names never change, and fields are sorted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    Flag,
    Number(u32),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(BTreeMap<&'a str, Self>),
}

impl<'a> Form<'a> {
    pub(crate) fn texts(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(texts.into_iter().map(Self::of).collect())
    }

    pub(crate) fn object<const N: usize>(fields: [(&'a str, Self); N]) -> Self {
        Self::Object(fields.into())
    }

    pub(crate) const fn of(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The form as text. Equal forms give equal texts.
    pub(crate) fn text(&self) -> String {
        // Serializing a map of strings cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag => serializer.serialize_bool(true),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Collected fields: those that are not at their default.
#[derive(Debug, Default)]
pub(crate) struct Collected<'a>(pub(crate) BTreeMap<&'static str, Form<'a>>);

impl<'a> Collected<'a> {
    /// Combines the fields into one form.
    pub(crate) fn form(self) -> Form<'a> {
        Form::Object(self.0.into_iter().collect())
    }
}

impl<'a> Collected<'a> {
    pub(crate) fn value(&mut self, name: &'static str, value: Form<'a>) {
        self.0.insert(name, value);
    }

    pub(crate) fn flag(&mut self, name: &'static str, set: bool) {
        if set {
            self.value(name, Form::Flag);
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, number: u32, default: u32) {
        if number != default {
            self.value(name, Form::Number(number));
        }
    }

    pub(crate) fn optional_number(&mut self, name: &'static str, number: Option<u32>) {
        if let Some(number) = number {
            self.value(name, Form::Number(number));
        }
    }

    pub(crate) fn optional_text(&mut self, name: &'static str, text: Option<&'a str>) {
        if let Some(text) = text {
            self.value(name, Form::of(text));
        }
    }

    pub(crate) fn texts(&mut self, name: &'static str, texts: &'a BTreeMap<String, String>) {
        if !texts.is_empty() {
            let texts = texts.iter().map(|(name, text)| (name.as_str(), Form::of(text)));
            self.value(name, Form::Object(texts.collect()));
        }
    }
}
