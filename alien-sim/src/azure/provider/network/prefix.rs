//! Address prefixes: <https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq>.

use ipnet::IpNet;
use serde_json::Value;

use crate::azure::fail::Fail;

/// Reads the prefixes of a field that is a string or a list of strings.
///
/// # Errors
///
/// If a prefix is not in CIDR notation, or has bits set beyond its length.
pub(super) fn read(value: Option<&Value>, id: &str) -> Result<Vec<IpNet>, Fail> {
    let texts: Vec<&str> = match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().map(|text| one(text, id)).collect()
}

fn one(text: &str, id: &str) -> Result<IpNet, Fail> {
    let net: IpNet = text.parse().map_err(|_| {
        Fail::invalid(
            "InvalidAddressPrefixFormat",
            format!(
                "Address prefix {text} of resource {id} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24."
            ),
        )
    })?;
    if net.trunc() == net {
        return Ok(net);
    }
    Err(Fail::invalid(
        "InvalidCIDRNotation",
        format!(
            "The address prefix {text} in resource {id} has an invalid CIDR notation. For the given prefix length, the address prefix should be {}.",
            net.trunc()
        ),
    ))
}

/// Whether two prefixes have an address in common.
pub(super) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}
