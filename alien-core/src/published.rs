//! A release as it is published: `release-N.json`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::canonical::{LARGEST, canonical};
use crate::images::Images;
use crate::name::{StackName, TextError, is_digest, sha256};
use crate::problem::{Problem, Problems, Rule};
use crate::read_json::read_value;
use crate::release::Release;
use crate::rollout::Sequence;
use crate::stack::Stack;
use crate::unique::Tree;

/// A release as it is published: its number, the stack, the lengths of the zips, what the images are, and the least version of an
/// agent that can carry it out. The file `release-N.json` holds it.
///
/// A release is published with a twin: the release of the next number, with the content of an earlier one. A rollout of
/// the release is reverted by rolling out its twin, so the numbers only rise.
///
/// ```
/// use std::sync::Arc;
/// use alien_core::{Code, Function, Images, Profile, PublishedRelease, Release, Stack};
///
/// let publish = |sequence: u64, zip: &[u8]| {
///     let mut stack = Stack::builder("shop");
///     stack.live("api", Function::new(Code::zip(zip), "api"));
///     stack.profile("api", Profile::new());
///     let release = Release::new(stack.build()?, [Arc::from(zip)].into_iter().collect())?;
///     PublishedRelease::new(sequence.into(), &release, Images::new())
/// };
/// let first = publish(1, b"the zip of the first release")?;
/// let second = publish(3, b"another zip")?;
/// let twin = second.twin(&first)?;
/// assert_eq!((twin.sequence().number(), twin.content().number()), (4, 1));
/// assert_eq!(twin.stack(), first.stack());
///
/// let file = twin.to_json();
/// assert_eq!(twin.file_name(), "release-4.json");
/// assert_eq!(PublishedRelease::from_json(&file)?, twin);
/// # Ok::<(), alien_core::Problems>(())
/// ```
///
/// # The file
///
/// The file is canonical JSON by [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785), so one release has one text and one
/// [digest](Self::digest). It is read as it was written: a later version of this library that would write the same stack
/// differently keeps the text, and with it the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRelease {
    sequence: Sequence,
    content: Sequence,
    stack: Stack,
    zips: BTreeMap<String, u64>,
    images: Images,
    least_agent: AgentVersion,
    /// The canonical JSON, as it was written or read.
    text: Arc<str>,
}

/// The version of the form of the file.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written<'a> {
    version: u32,
    sequence: Sequence,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Sequence>,
    product: &'a StackName,
    stack: &'a Stack,
    zips: &'a BTreeMap<String, u64>,
    images: &'a Images,
    least_agent: AgentVersion,
}

impl PublishedRelease {
    /// The version of the form that this library writes.
    pub const VERSION: u32 = VERSION;

    /// Creates what is published of a release: its number, the stack and the lengths of its zips, and what its images are.
    ///
    /// [`Images::needed`] lists the images. What `images` has beyond them is left out.
    ///
    /// # Errors
    ///
    /// Every problem: a zip that is not among the artifacts; an image that is not pinned, not in `images`, or not there for a platform
    /// that the stack needs; a digest that is none; something of the customer's in the stack; a number above 2⁵³ − 1.
    pub fn new(sequence: Sequence, release: &Release, mut images: Images) -> Result<Self, Problems> {
        let stack = release.stack().clone();
        let artifacts: BTreeMap<&str, usize> =
            release.artifacts().iter().map(|(digest, bytes)| (digest, bytes.len())).collect();
        let lengths = stack.zips().filter_map(|(_, digest)| {
            // A length that a computer can hold has at most 64 bits.
            Some((digest.to_owned(), u64::try_from(*artifacts.get(digest)?).unwrap_or(u64::MAX)))
        });
        let zips = lengths.collect();
        images.retain(&Images::needed(&stack));
        let (least_agent, text) = (AgentVersion::default(), Arc::from(""));
        Self { sequence, content: sequence, stack, zips, images, least_agent, text }.checked(Vec::new())
    }

    /// Creates the twin of this release: the release of the next number, with the content of an earlier one.
    ///
    /// # Errors
    ///
    /// If the other release is of another product or not earlier, or if this release is a twin itself.
    pub fn twin(&self, of: &Self) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut problem = |what: String, help: &str| {
            problems.push(Problem::error(Rule::Form, what, help.to_owned()).at(self.file_name()));
        };
        if self.product() != of.product() {
            let what = format!("this is a release of `{}`, and the other is of `{}`", self.product(), of.product());
            problem(what, "name a release of the same product");
        }
        if of.sequence >= self.sequence {
            let what = format!("release {} is not earlier than release {}", of.sequence, self.sequence);
            problem(what, "name an earlier release");
        }
        if self.content != self.sequence {
            let what = format!("release {} is a twin itself", self.sequence);
            problem(what, "make the twin of the release before it");
        }
        Self { sequence: self.sequence.twin(), ..of.clone() }.checked(problems)
    }

    /// Sets the least version of an agent that can carry the release out. Without it, every agent can.
    #[must_use]
    pub fn with_least_agent(mut self, version: AgentVersion) -> Self {
        self.least_agent = version;
        self.written()
    }

    /// Its number.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The number of the release whose content it has: its own, or that of an earlier release if it is a twin.
    #[must_use]
    pub const fn content(&self) -> Sequence {
        self.content
    }

    /// The vendor's product: the name of the stack.
    #[must_use]
    pub fn product(&self) -> &StackName {
        self.stack.name()
    }

    /// The stack.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The length in bytes of every zip that the stack names, by its digest, `sha256:…`.
    #[must_use]
    pub const fn zips(&self) -> &BTreeMap<String, u64> {
        &self.zips
    }

    /// What every image that the stack names is, for each platform.
    #[must_use]
    pub const fn images(&self) -> &Images {
        &self.images
    }

    /// The least version of an agent that can carry the release out.
    #[must_use]
    pub const fn least_agent(&self) -> &AgentVersion {
        &self.least_agent
    }

    /// The file's content: canonical JSON by [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785).
    #[must_use]
    pub fn to_json(&self) -> String {
        (*self.text).to_owned()
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Every problem: text that is not canonical JSON; a newer version; unknown fields; what the checks of the stack refuse; zips and
    /// images that are not those of the stack.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        let tree: Tree = serde_json::from_str(text).map_err(|error| {
            let what = format!("this is not a release: {error}");
            Problems(vec![Problem::error(Rule::Form, what, "give the file as it was written".to_owned())])
        })?;
        let canonical = canonical(&tree.value);
        let mut problems = Vec::new();
        if canonical != text {
            let same = canonical.bytes().zip(text.bytes()).take_while(|(wanted, found)| wanted == found).count();
            let what = format!("this is not canonical JSON (RFC 8785), from byte {same} on");
            problems.push(Problem::error(Rule::Form, what, "give the file as it was written".to_owned()));
        }
        Self::read(tree, problems)
    }

    /// The SHA-256 of the file, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(self.text.as_bytes())
    }

    /// The name of the file: `release-12.json` for release 12.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("release-{}.json", self.sequence)
    }

    fn read(Tree { value, repeated, .. }: Tree, mut problems: Vec<Problem>) -> Result<Self, Problems> {
        let mut problem = |at: &str, what: String, help: &str| {
            problems.push(Problem::error(Rule::Form, what, help.to_owned()).at(at));
        };
        for path in repeated {
            problem(&path, "the field is written twice".to_owned(), "give the file as it was written");
        }
        let text = canonical(&value);
        let Value::Object(fields) = value else {
            problem("release", "not an object".to_owned(), "give the file as it was written");
            return Err(Problems(problems));
        };
        let mut fields: BTreeMap<String, Value> = fields.into_iter().collect();
        // The version is read first, so that a newer file is refused by name and not by what is new in it.
        match fields.remove("version").map(|version| (version.as_u64(), version)) {
            Some((Some(found), _)) if found == u64::from(VERSION) => {}
            Some((_, found)) => {
                let what = format!("this is a release of version {found}, and this program reads version {VERSION}");
                let help = "use the program that wrote it, or a newer one".to_owned();
                return Err(Problems(vec![Problem::error(Rule::Form, what, help).at("version")]));
            }
            None => problem("version", "missing".to_owned(), "give the file as it was written"),
        }
        let content = match fields.remove("content") {
            None => None,
            Some(content) => field("content", Some(content), &mut problem),
        };
        let sequence = field("sequence", fields.remove("sequence"), &mut problem);
        let product: Option<StackName> = field("product", fields.remove("product"), &mut problem);
        let zips = field("zips", fields.remove("zips"), &mut problem);
        let images = field("images", fields.remove("images"), &mut problem);
        let least_agent = field("leastAgent", fields.remove("leastAgent"), &mut problem);
        let stack = fields.remove("stack");
        if stack.is_none() {
            problem("stack", "missing".to_owned(), "give the file as it was written");
        }
        for name in fields.keys() {
            let known = "version, sequence, content, product, stack, zips, images, leastAgent";
            problem(name, "unknown field".to_owned(), &format!("remove it; the fields are {known}"));
        }
        if let (Some(content), Some(sequence)) = (content, sequence)
            && content >= sequence
        {
            let what = format!("release {content} is not earlier than release {sequence}");
            problem("content", what, "leave it out, unless this is a twin");
        }
        let stack = match stack.map(|stack| Stack::from_json(&stack.to_string())) {
            None => None,
            Some(Ok(stack)) => Some(stack),
            Some(Err(Problems(found))) => {
                problems.extend(found);
                None
            }
        };
        if let (Some(product), Some(stack)) = (&product, &stack)
            && product != stack.name()
        {
            let what = format!("the product is `{product}`, and the stack is `{}`", stack.name());
            problems.push(Problem::error(Rule::Form, what, "name the product as the stack".to_owned()).at("product"));
        }
        let (Some(sequence), Some(stack), Some(zips), Some(images), Some(least_agent)) =
            (sequence, stack, zips, images, least_agent)
        else {
            return Err(Problems(problems));
        };
        let content = content.unwrap_or(sequence);
        let text: Arc<str> = text.into();
        let release = Self { sequence, content, stack, zips, images, least_agent, text: Arc::clone(&text) };
        Ok(Self { text, ..release.checked(problems)? })
    }

    /// Checks what every release must be, and writes it.
    fn checked(self, mut problems: Vec<Problem>) -> Result<Self, Problems> {
        let Self { sequence, stack, zips, images, .. } = &self;
        let mut problem = |at: &str, rule, what: String, help: &str| {
            problems.push(Problem::error(rule, what, help.to_owned()).at(at));
        };
        if sequence.number() > LARGEST {
            problem("sequence", Rule::Form, format!("{sequence} is above {LARGEST}"), "count releases from 1");
        }
        for (resource, existing) in stack.existing() {
            let what = format!("the stack names `{}`, which is the customer's to give", existing.id);
            problem(resource.as_str(), Rule::Form, what, "leave it out; each customer gives its own");
        }
        for (resource, digest) in stack.zips().filter(|(_, digest)| !zips.contains_key(*digest)) {
            let what = format!("its zip, {digest}, is not among the zips");
            let help = "give the file whose bytes the stack names, or put the digest of the file you have in the stack";
            problem(resource.as_str(), Rule::Code, what, help);
        }
        for (digest, length) in zips {
            if !stack.zips().any(|(_, named)| named == digest) {
                problem(digest, Rule::Code, "the stack does not name this zip".to_owned(), "leave it out");
            }
            if !is_digest(digest) {
                let help = "write `sha256:` and 64 hexadecimal digits in lower case";
                problem(digest, Rule::Code, "this is not the digest of a zip".to_owned(), help);
            }
            if *length > LARGEST {
                problem(digest, Rule::Code, format!("{length} bytes are above {LARGEST}"), "give a shorter zip");
            }
        }
        images.check(&Images::needed(stack), &mut problems);
        Problems::none(problems)?;
        Ok(self.written())
    }

    fn written(mut self) -> Self {
        let Self { sequence, content, stack, zips, images, least_agent, .. } = &self;
        let written = Written {
            version: VERSION,
            sequence: *sequence,
            content: Some(*content).filter(|content| content != sequence),
            product: stack.name(),
            stack,
            zips,
            images,
            least_agent: *least_agent,
        };
        self.text = canonical(&written).into();
        self
    }
}

/// A field that every release has.
fn field<T: DeserializeOwned>(
    name: &str,
    value: Option<Value>,
    problem: &mut impl FnMut(&str, String, &str),
) -> Option<T> {
    let what = match value.map(|value| read_value(&value)) {
        Some(Ok(value)) => return Some(value),
        Some(Err(error)) => error,
        None => "missing".to_owned(),
    };
    problem(name, what, "give the file as it was written");
    None
}

/// The content of the file, as a part of another document.
impl Serialize for PublishedRelease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl JsonSchema for PublishedRelease {
    fn schema_name() -> Cow<'static, str> {
        "PublishedRelease".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

/// As a part of another document, whose form need not be canonical: the same, with all problems in one text.
impl<'de> Deserialize<'de> for PublishedRelease {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Tree::deserialize(deserializer)?, Vec::new()).map_err(serde::de::Error::custom)
    }
}

/// The version of an agent: three numbers, `0.1.0`.
///
/// ```
/// use alien_core::AgentVersion;
///
/// let version: AgentVersion = "0.10.0".parse()?;
/// assert!(version > AgentVersion::new(0, 9, 3));
/// assert_eq!(AgentVersion::default(), AgentVersion::new(0, 1, 0));
/// assert!("0.10".parse::<AgentVersion>().is_err());
/// # Ok::<(), alien_core::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){2}$"))]
pub struct AgentVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl AgentVersion {
    /// Creates a version from its three numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

/// The first version that there is of an agent: 0.1.0.
impl Default for AgentVersion {
    fn default() -> Self {
        Self::new(0, 1, 0)
    }
}

impl FromStr for AgentVersion {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let wrong = || {
            let rule = "write three numbers, as in `0.1.0`";
            TextError::new(text.to_owned(), "the version of an agent", rule)
        };
        let number = |part: &str| part.parse().ok().filter(|number: &u32| number.to_string() == part);
        let mut parts = text.split('.').map(number);
        let mut next = || parts.next().flatten().ok_or_else(wrong);
        let version = Self::new(next()?, next()?, next()?);
        if parts.next().is_some() { Err(wrong()) } else { Ok(version) }
    }
}

impl TryFrom<String> for AgentVersion {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

impl From<AgentVersion> for String {
    fn from(version: AgentVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
