//! Tables: <https://learn.microsoft.com/rest/api/storagerp/table>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, set};
use crate::azure::fail::Fail;
use crate::azure::state::State;

pub(super) const TABLE: &str =
    "properties{tableName signedIdentifiers{id! accessPolicy{startTime expiryTime permission!}}}";

pub(crate) const KIND: &str = "Microsoft.Storage/storageAccounts/tableServices/tables";

impl State {
    /// The id of a table in an account.
    pub(crate) fn table_id(account: &str, name: &str) -> String {
        format!("{account}/tableServices/default/tables/{name}")
    }
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#table-names>.
fn is_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && !name.eq_ignore_ascii_case("tables")
}

fn missing() -> Fail {
    Fail::new(404, "TableNotFound", "The table specified does not exist.")
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &call.state.thing(&call.id).map_err(|_| missing())?.body))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let account = call.route.path.split("/tableServices").next().unwrap_or_default();
    Ok(Answer::list(call.state.list(account, KIND)))
}

/// Writes a table: 200 for both a creation and an update.
pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name()) {
        return Err(Fail::invalid("InvalidResourceName", "The specified resource name contains invalid characters."));
    }
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    set(&mut properties, "tableName", call.name().to_owned());
    let body = call.resource(properties);
    let codes = Codes { made: 200, changed: 200, making: 200, changing: 200 };
    call.write(body, codes, None)
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let known = call.state.thing(&call.id).map_err(|_| missing())?.body.clone();
    if call.body.pointer("/properties/signedIdentifiers").is_some_and(Value::is_array) {
        return put(call);
    }
    Ok(Answer::json(200, &known))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if call.state.thing(&call.id).is_err() {
        return Err(missing());
    }
    call.delete(204, None)
}
