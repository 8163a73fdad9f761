//! Flags that the cloud adapters define: the fields of a target and the options of a connection.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use alien_core::adapter::Giver;
use alien_core::{ConnectOption, Side, adapter};
use clap::{Arg, ArgGroup, ArgMatches, Command, FromArgMatches};

use crate::clouds::{self, Cloud};

/// The values of the flags given, by field or option name.
pub(crate) struct Flags<W> {
    pub(crate) given: BTreeMap<String, String>,
    which: PhantomData<W>,
}

/// A set of flags.
pub(crate) trait Which {
    /// The clap group of these flags, so that other arguments can conflict with all of them.
    const GROUP: &'static str;

    /// The name and help of each flag on a cloud.
    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)>;
}

/// Where a deployment goes.
pub(crate) enum Place {}
/// Whom it trusts: the fields that the vendor chooses.
pub(crate) enum Trust {}
/// Where it goes and whom it trusts.
pub(crate) enum Target {}
/// How the customer's admin connects.
pub(crate) enum AsAdmin {}
/// How the vendor connects.
pub(crate) enum AsVendor {}
/// How a program connects that is both sides.
pub(crate) enum AsEither {}

fn fields(cloud: Cloud, takes: fn(Giver) -> bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    cloud.fields().iter().filter(move |field| takes(field.giver)).map(|field| (field.name, field.help))
}

fn options(cloud: Cloud, side: Side) -> impl Iterator<Item = (&'static str, &'static str)> {
    cloud.options().iter().filter(move |option| option.is_for(side)).map(|option| (option.name, option.help))
}

impl Which for Place {
    const GROUP: &'static str = "place";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        fields(cloud, |giver| giver == Giver::Customer)
    }
}

impl Which for Trust {
    const GROUP: &'static str = "trust";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        fields(cloud, |giver| giver == Giver::Vendor)
    }
}

impl Which for Target {
    const GROUP: &'static str = "target";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        fields(cloud, |_| true)
    }
}

impl Which for AsAdmin {
    const GROUP: &'static str = "connection";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        options(cloud, Side::Admin)
    }
}

impl Which for AsVendor {
    const GROUP: &'static str = "connection";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        options(cloud, Side::Vendor)
    }
}

impl Which for AsEither {
    const GROUP: &'static str = "connection";

    fn on(cloud: Cloud) -> impl Iterator<Item = (&'static str, &'static str)> {
        // What the target says too, as the vendor's issuer, is taken from there.
        let is_said = |name: &str| clouds::ALL.iter().flat_map(|cloud| cloud.fields()).any(|field| field.name == name);
        let is_for = move |option: &&ConnectOption| {
            (option.is_for(Side::Admin) || option.is_for(Side::Vendor)) && !is_said(option.name)
        };
        cloud.options().iter().filter(is_for).map(|option| (option.name, option.help))
    }
}

/// A flag, and its help on each cloud that has it.
struct Flag {
    name: &'static str,
    on: Vec<(&'static str, &'static str)>,
}

/// Lists each flag once, in the order of the clouds.
fn flags<W: Which>() -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for cloud in clouds::ALL {
        for (name, help) in W::on(cloud) {
            match flags.iter_mut().find(|flag| flag.name == name) {
                Some(flag) => flag.on.push((cloud.cloud(), help)),
                None => flags.push(Flag { name, on: vec![(cloud.cloud(), help)] }),
            }
        }
    }
    flags
}

impl Flag {
    /// Builds the argument. If only some clouds have the flag, its heading names them.
    fn arg(&self) -> Arg {
        let words = adapter::flag(self.name);
        let value = words.replace('-', "_").to_uppercase();
        let arg = Arg::new(self.name).long(words).value_name(value).help(self.help());
        if self.on.len() == clouds::ALL.len() {
            return arg;
        }
        let clouds: Vec<&str> = self.on.iter().map(|(cloud, _)| *cloud).collect();
        arg.help_heading(format!("Only for {}", clouds.join(" and ")))
    }

    fn help(&self) -> String {
        let [(_, first), rest @ ..] = &self.on[..] else { return String::new() };
        let help = if rest.iter().all(|(_, help)| help == first) {
            (*first).to_owned()
        } else {
            let each: Vec<String> = self.on.iter().map(|(cloud, help)| format!("{help} ({cloud})")).collect();
            each.join("; ")
        };
        // All other help starts with a capital letter.
        let mut letters = help.chars();
        letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
    }
}

impl<W: Which> clap::Args for Flags<W> {
    fn augment_args(command: Command) -> Command {
        let flags = flags::<W>();
        let group = ArgGroup::new(W::GROUP).multiple(true).args(flags.iter().map(|flag| flag.name));
        flags.iter().fold(command, |command, flag| command.arg(flag.arg())).group(group)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<W: Which> FromArgMatches for Flags<W> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: Flag| Some((flag.name.to_owned(), matches.get_one::<String>(flag.name)?.clone()));
        Ok(Self { given: flags::<W>().into_iter().filter_map(given).collect(), which: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<W> fmt::Debug for Flags<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}
