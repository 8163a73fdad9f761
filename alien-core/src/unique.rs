//! JSON in files that people review: a repeated name is an error. JSON readers silently keep one of the two values, and
//! the reviewer may have read the other.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::mem;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Deserializer as Json, Map, Value};

use crate::read_json::read_json;

/// Reads JSON in which no object repeats a field, or says in words what is wrong, and at which line and column.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use alien_core::adapter::read_unique;
///
/// let told = read_unique::<BTreeMap<String, u8>>("{\"a\": 1,\n \"a\": 2}").unwrap_err();
/// assert_eq!(told, "`a` is written twice at line 2 column 4");
/// ```
///
/// # Errors
///
/// What is wrong, and where.
pub fn read_unique<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    repeated(text).map_or_else(|| read_json(text.as_bytes()), |error| Err(error.to_string()))
}

/// The first field that an object repeats, and where; `None` too if the text is no JSON.
pub(crate) fn repeated(text: &str) -> Option<serde_json::Error> {
    let read = Node { path: "", repeated: None }.deserialize(&mut Json::from_str(text));
    read.err().filter(serde_json::Error::is_data)
}

/// Reads a map in which no name is repeated.
pub(crate) fn map<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    struct Unique<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord + fmt::Display, V: Deserialize<'de>> Visitor<'de> for Unique<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(name) = entries.next_key::<K>()? {
                if map.contains_key(&name) {
                    return Err(A::Error::custom(format!("`{name}` is written twice")));
                }
                map.insert(name, entries.next_value()?);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}

/// Reads a JSON value in which no object repeats a field.
pub(crate) fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let Tree { value, repeated, .. } = Tree::deserialize(deserializer)?;
    match repeated.first() {
        None => Ok(value),
        Some(path) => Err(D::Error::custom(format!("`{path}` is written twice"))),
    }
}

/// A JSON value, and the paths of repeated fields. JSON readers silently keep one of the values, and a reviewer may
/// have read the other.
pub(crate) struct Tree {
    pub(crate) value: Value,
    pub(crate) repeated: Vec<String>,
    place: Option<String>,
}

impl Tree {
    /// Reads a text, and finds where the first repeated field is.
    pub(crate) fn read(text: &str) -> serde_json::Result<Self> {
        let mut tree: Self = serde_json::from_str(text)?;
        let first = (!tree.repeated.is_empty()).then(|| repeated(text)).flatten();
        tree.place = first.map(|error| format!(" at line {} column {}", error.line(), error.column()));
        Ok(tree)
    }

    /// The repeated fields: the path of each, and what is wrong.
    pub(crate) fn take_repeated(&mut self) -> impl Iterator<Item = (String, String)> + use<> {
        let (paths, mut place) = (mem::take(&mut self.repeated), self.place.take());
        paths
            .into_iter()
            .map(move |path| (path, format!("the field is written twice{}", place.take().unwrap_or_default())))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut repeated = Vec::new();
        let value = Node { path: "", repeated: Some(&mut repeated) }.deserialize(deserializer)?;
        Ok(Self { value, repeated, place: None })
    }
}

struct Node<'a> {
    path: &'a str,
    /// What is repeated; `None` if the first is an error.
    repeated: Option<&'a mut Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, list.len());
            let Some(item) = items.next_element_seed(Node { path: &path, repeated: self.repeated.as_deref_mut() })?
            else {
                break;
            };
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let separator = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{separator}{key}", self.path);
            let is_repeated = map.contains_key(&key);
            if is_repeated && self.repeated.is_none() {
                return Err(A::Error::custom(format!("`{path}` is written twice")));
            }
            let value = entries.next_value_seed(Node { path: &path, repeated: self.repeated.as_deref_mut() })?;
            map.insert(key, value);
            if is_repeated && let Some(repeated) = &mut self.repeated {
                repeated.push(path);
            }
        }
        Ok(Value::Object(map))
    }
}
