//! Prints permissions and audit reports.

use std::fmt::Write as _;

use alien_core::adapter::{Guardrail, ReviewGrant, Trusted};
use alien_core::{Layer, Reach, RegistryGrant, Report, ResourceId, Reviewed, Size};

use crate::args::Format;
use crate::output::{paragraph, table};

/// Renders the reviewer's table, the grants of a layer with their reasons, and the document sizes.
pub(crate) fn text(reviewed: &Reviewed, layer: Option<Layer>, format: Format) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    if layer.is_none_or(|layer| layer == Layer::Management) {
        let review = &reviewed.review;
        heading(&mut text, format, &format!("What the vendor can do with `{}` on {}", review.stack, review.cloud));
        if let Some(pulled) = &review.pulled {
            let _ = writeln!(text, "{}\n", paragraph(format, &pulled.to_string()));
        }
        let rows = review.rows.iter().map(|row| {
            let name = format!("{}\n{} {}", row.resource, row.lifecycle, row.kind);
            vec![name, list(&row.can), list(&row.cannot), list(&row.reach)]
        });
        let header = ["resource", "the vendor can", "the vendor cannot", "code it may replace can"];
        text.push_str(&table(format, &header, rows.collect()));
        text.push('\n');
        if !review.beyond.is_empty() {
            heading(&mut text, format, "What the vendor could also write");
            let rows = review.beyond.iter().map(|beyond| {
                let resources = format!("{}\nby {}", beyond.resources.join("\n"), beyond.permission);
                vec![resources, list(&beyond.what), beyond.then().to_owned()]
            });
            text.push_str(&table(format, &["resources", "the vendor could", "then"], rows.collect()));
            text.push('\n');
        }
        for note in &review.notes {
            let _ = writeln!(text, "\n{}", paragraph(format, &format!("Note: {note}.")));
        }
        heading(&mut text, format, "Who comes in, and for how long");
        let rows = review
            .trust
            .iter()
            .map(|Trusted { who, may, conditions }| vec![who.clone(), may.clone(), list(conditions)]);
        text.push_str(&table(format, &["who", "by", "if"], rows.collect()));
        let _ = writeln!(text, "\n\n{}", paragraph(format, &review.ends));
    }
    let wanted = layer.unwrap_or(Layer::Management);
    let grants: Vec<&ReviewGrant> = reviewed.review.grants.iter().filter(|grant| grant.layer == wanted).collect();
    for grants in grants.chunk_by(|one, other| one.holder == other.holder) {
        let holder = grants.first().map_or("", |grant| grant.holder.as_str());
        heading(&mut text, format, &format!("Grants of {holder}"));
        let rows = grants.iter().map(|grant| vec![grant.set.clone(), grant.why.clone(), list(&grant.permissions)]);
        text.push_str(&table(format, &["permission set", "why", "permissions"], rows.collect()));
        text.push('\n');
    }
    heading(&mut text, format, "Sizes");
    text.push_str(&sizes(&reviewed.sizes, format));
    text
}

/// Renders the report of an audit.
pub(crate) fn report(report: &Report, format: Format) -> String {
    let mut text = String::new();
    if report.breaches.is_empty() {
        let layers: Vec<&str> = report.layers.iter().map(|layer| layer.name()).collect();
        let checked = format!("{} permissions of {} checked", report.checked, layers.join(" and "));
        heading(&mut text, format, &format!("No promise is broken ({checked})"));
    } else {
        heading(&mut text, format, &format!("{} breaches", report.breaches.len()));
        let rows = report.breaches.iter().map(|breach| {
            let who = format!("{}\n{}", breach.layer, breach.principal);
            let permission = format!("{}\n{}", breach.permission, breach.on);
            vec![breach.promise.to_string(), who, breach.statement.clone(), permission, breach.what.clone()]
        });
        let header = ["promise", "principal", "statement", "permission and scope", "why"];
        text.push_str(&table(format, &header, rows.collect()));
        text.push('\n');
    }
    if !report.disclosures.is_empty() {
        heading(&mut text, format, "Disclosures");
        let rows = report.disclosures.iter().map(|disclosure| {
            let sort = disclosure.kind.describe();
            let resource = disclosure.resource.clone().unwrap_or_else(|| "(shared)".to_owned());
            vec![resource, disclosure.permission.to_string(), disclosure.what.to_string(), sort.to_owned()]
        });
        text.push_str(&table(format, &["resource", "permission", "what", "sort"], rows.collect()));
        text.push('\n');
    }
    reach(&mut text, &report.reach, format);
    text
}

/// Renders which data the vendor can reach through code that it may replace.
pub(crate) fn reach(text: &mut String, reach: &Reach, format: Format) {
    heading(text, format, "Reach: data that pushed code can touch");
    let rows = reach.through.iter().map(|through| {
        let data = reach.profiles.get(&through.profile).into_iter().flatten().map(|data| {
            let access: Vec<&str> = data.access.iter().map(|access| access.name()).collect();
            format!("{} {}", access.join(" and "), data.resource)
        });
        let data: Vec<String> = data.collect();
        vec![through.resource.to_string(), through.profile.to_string(), list(&data)]
    });
    text.push_str(&table(format, &["code", "profile", "data"], rows.collect()));
}

/// Renders rules that the customer can set above a deployment: what each keeps, its file, and the command.
pub(crate) fn guardrails(text: &mut String, guardrails: &[Guardrail]) {
    heading(text, Format::Table, "What you can set above it");
    if guardrails.is_empty() {
        text.push_str("This cloud has no rule for what is left.\n");
    }
    for Guardrail { what, command, file, text: content, source } in guardrails {
        let _ = writeln!(text, "{what}\n{source}\n\n    {command}\n");
        self::file(text, file, content);
    }
}

/// Renders what the owners of registries grant: whom, the command, and its file.
pub(crate) fn registry_grants(text: &mut String, grants: &[RegistryGrant]) {
    for grant in grants {
        let RegistryGrant { resources, repository, to, command, file, text: content, note, source } = grant;
        let title = format!("What the owner of `{repository}` grants");
        heading(text, Format::Table, &title);
        let resources: Vec<&str> = resources.iter().map(ResourceId::as_str).collect();
        let _ = writeln!(text, "For {}, to {}.\n{source}\n\n    {command}\n", resources.join(", "), to.join(", "));
        if !note.is_empty() {
            let _ = writeln!(text, "{note}\n");
        }
        self::file(text, file, content);
    }
}

fn file(text: &mut String, name: &str, content: &str) {
    if name.is_empty() {
        return;
    }
    let _ = writeln!(text, "{name}:\n");
    for line in content.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text.push('\n');
}

/// Renders the sizes of documents.
pub(crate) fn sizes(sizes: &[Size], format: Format) -> String {
    let rows = sizes
        .iter()
        .map(|Size { document, unit, size, limit, .. }| vec![document.clone(), format!("{size} of {limit} {unit}")]);
    table(format, &["document", "size"], rows.collect())
}

pub(crate) fn heading(text: &mut String, format: Format, title: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    let mark = if format == Format::Markdown { "## " } else { "" };
    let _ = writeln!(text, "{mark}{title}\n");
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "–".to_owned() } else { items.join("\n") }
}
