//! Entities of tables: <https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api>.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::blob::{account, any, caller, mismatch};
use super::odata::Filter;
use super::{Ask, Refused, parameter};
use crate::azure::call::{Answer, set, text};
use crate::azure::rbac::decide::Plane;
use crate::azure::state::State;
use crate::uri::decode;

/// Source: <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-table-service-operations>.
const ENTITIES: &str = "Microsoft.Storage/storageAccounts/tableServices/tables/entities";

pub(super) fn answer(state: &mut State, ask: &Ask<'_>, account: &str) -> Answer {
    perform(state, ask, account).unwrap_or_else(|refused| {
        let message = format!("{}\nRequestId:{}\nTime:{}", refused.message, Uuid::new_v4(), state.now());
        let value = json!({"lang": "en-US", "value": message});
        Answer::json(refused.status, &json!({"odata.error": {"code": refused.code, "message": value}}))
            .header("x-ms-error-code", refused.code)
    })
}

/// Parses `name`, `name()` or `name(PartitionKey='p',RowKey='r')`.
fn address(path: &str) -> Option<(String, Option<(String, String)>)> {
    let path = decode(path.trim_start_matches('/'));
    let Some((name, keys)) = path.split_once('(') else { return Some((path, None)) };
    let keys = keys.strip_suffix(')')?;
    if keys.is_empty() {
        return Some((name.to_owned(), None));
    }
    let keys = keys.strip_prefix("PartitionKey='")?.strip_suffix('\'')?;
    let (partition, row) = keys.split_once("',RowKey='")?;
    Some((name.to_owned(), Some((partition.replace("''", "'"), row.replace("''", "'")))))
}

fn perform(state: &mut State, ask: &Ask<'_>, name: &str) -> Result<Answer, Refused> {
    let (path, query) = ask.parts();
    let invalid = |message: &str| Refused::new(400, "InvalidInput", message);
    let (table, keys) = address(path).ok_or_else(|| invalid("The address of the entity is not valid."))?;
    let verb = match ask.header("x-http-method") {
        "" => ask.verb,
        other => other,
    };
    let key = match (verb, table.as_str(), &keys) {
        ("GET", "Tables", _) => "GET table.core.windows.net/tables",
        (_, "" | "Tables" | "$batch", _) => "",
        ("GET", _, None) => "GET table.core.windows.net/entities",
        ("GET", _, Some(_)) => "GET table.core.windows.net/entity",
        ("POST", _, None) => "POST table.core.windows.net/entities",
        ("PUT", _, Some(_)) => "PUT table.core.windows.net/entity",
        ("MERGE" | "PATCH", _, Some(_)) => "MERGE table.core.windows.net/entity",
        ("DELETE", _, Some(_)) => "DELETE table.core.windows.net/entity",
        _ => "",
    };
    if key.is_empty() {
        return Err(Refused::unmodelled(format!(
            "{verb} {path} is not emulated: the emulator models querying, inserting, updating, merging and deleting of entities, one at a time."
        )));
    }
    let body: Value = if ask.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&ask.body).map_err(|error| invalid(&format!("The body cannot be read: {error}.")))?
    };
    state.remember(key, verb, path, &query, &body);
    state.knobs.before(key)?;
    let (id, known) = account(state, name)?;
    let caller = caller(state, ask, &known, name)?;
    let at = State::table_id(&id, &table);
    let has_condition = !ask.header("if-match").is_empty();
    let needs: &[&str] = match (key.split(' ').next().unwrap_or_default(), has_condition) {
        ("GET", _) => &["read"],
        ("DELETE", _) => &["delete"],
        ("POST", _) => &["write", "add/action"],
        (_, true) => &["write", "update/action"],
        _ => &["write"],
    };
    if key.ends_with("/tables") {
        let action = "Microsoft.Storage/storageAccounts/tableServices/tables/read";
        if !state.asks(&caller, key, Plane::Control, action, &id) {
            return Err(mismatch());
        }
        let tables = state.list(&id, "Microsoft.Storage/storageAccounts/tableServices/tables");
        let named: Vec<Value> = tables.iter().map(|table| json!({"TableName": text(table, "/name")})).collect();
        return Ok(Answer::json(200, &json!({"value": named})));
    }
    let actions: Vec<String> = needs.iter().map(|action| format!("{ENTITIES}/{action}")).collect();
    let allowed = any(state, &caller, key, &actions, &at);
    if allowed.is_err() {
        // An insert-or-update without a condition needs both add and update.
        let is_upsert = !has_condition && matches!(verb, "PUT" | "MERGE" | "PATCH");
        let both = ["add/action", "update/action"].map(|action| format!("{ENTITIES}/{action}"));
        if !is_upsert || !both.iter().all(|action| state.authorise_data(&caller, key, action, &at)) {
            return Err(mismatch());
        }
    }
    if state.thing(&at).is_err() {
        return Err(Refused::new(404, "TableNotFound", "The table specified does not exist."));
    }
    let is_plain = ask.header("accept").contains("nometadata");
    let place = Place { table: at.to_lowercase(), name: table, is_plain };
    let answer = match keys {
        None if verb == "GET" => place.query(state, &query)?,
        None => place.insert(state, ask, body)?,
        Some(keys) => match verb {
            "GET" => place.get(state, &keys, parameter(&query, "$select"))?,
            "DELETE" => place.delete(state, ask, &keys)?,
            _ => place.update(state, ask, keys, body, verb != "PUT")?,
        },
    };
    state.knobs.after(key)?;
    Ok(answer)
}

/// The table that a request names.
struct Place {
    table: String,
    name: String,
    is_plain: bool,
}

fn missing() -> Refused {
    Refused::new(404, "ResourceNotFound", "The specified resource does not exist.")
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/update-entity2#request-headers>.
fn met(ask: &Ask<'_>, etag: &str) -> Result<(), Refused> {
    let wanted = ask.header("if-match");
    if wanted == "*" || wanted == etag {
        return Ok(());
    }
    let message = "The update condition specified in the request was not satisfied.";
    Err(Refused::new(412, "UpdateConditionNotSatisfied", message))
}

impl State {
    /// Writes an entity with its timestamp, and returns its etag.
    fn write_entity(&mut self, table: &str, keys: (String, String), mut body: Value) -> String {
        let now = self.now().to_string();
        let etag = format!("W/\"datetime'{}'\"", now.replace(':', "%3A"));
        set(&mut body, "PartitionKey", keys.0.clone());
        set(&mut body, "RowKey", keys.1.clone());
        set(&mut body, "Timestamp", now);
        set(&mut body, "odata.etag", etag.clone());
        self.data.entities.entry(table.to_lowercase()).or_default().insert(keys, body);
        etag
    }

    /// Writes an entity without any permission check. Returns false if the table does not exist.
    pub(crate) fn put_entity(&mut self, account: &str, table: &str, partition: &str, row: &str, body: &Value) -> bool {
        let Some(account) = self.account(account).map(|thing| thing.id.clone()) else { return false };
        let at = Self::table_id(&account, table);
        let is_there = self.thing(&at).is_ok();
        if is_there {
            self.write_entity(&at, (partition.to_owned(), row.to_owned()), body.clone());
        }
        is_there
    }
}

impl Place {
    fn shown(&self, entity: &Value, select: &str) -> Value {
        let mut shown = entity.clone();
        if let Some(members) = shown.as_object_mut() {
            let wanted: Vec<&str> = select.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            members.retain(|name, _| {
                let is_chosen = wanted.is_empty() || wanted.contains(&name.split('@').next().unwrap_or_default());
                if name == "odata.etag" { !self.is_plain } else { is_chosen && !(self.is_plain && name.contains('@')) }
            });
        }
        shown
    }

    fn get(&self, state: &State, keys: &(String, String), select: &str) -> Result<Answer, Refused> {
        let entity = state.data.entities.get(&self.table).and_then(|table| table.get(keys)).ok_or_else(missing)?;
        let mut body = self.shown(entity, select);
        if !self.is_plain {
            set(&mut body, "odata.metadata", format!("{}/$metadata#{}/@Element", state.url, self.name));
        }
        Ok(Answer::json(200, &body).header("etag", text(entity, "/odata.etag")))
    }

    /// Source: <https://learn.microsoft.com/rest/api/storageservices/query-entities>.
    fn query(&self, state: &State, query: &[(String, String)]) -> Result<Answer, Refused> {
        let filter = Filter::parse(parameter(query, "$filter"))
            .ok_or_else(|| Refused::new(400, "InvalidInput", "The requested filter is not valid."))?;
        let top = parameter(query, "$top");
        let most: usize = if top.is_empty() { 1_000 } else { top.parse().unwrap_or(0) };
        if !(1..=1_000).contains(&most) {
            return Err(Refused::new(400, "InvalidInput", "$top is from 1 to 1000."));
        }
        let from = (parameter(query, "NextPartitionKey").to_owned(), parameter(query, "NextRowKey").to_owned());
        let none = BTreeMap::new();
        let table = state.data.entities.get(&self.table).unwrap_or(&none);
        let mut found = table.range(from..).filter(|(_, entity)| filter.takes(entity));
        let select = parameter(query, "$select");
        let items: Vec<Value> = found.by_ref().take(most).map(|(_, entity)| self.shown(entity, select)).collect();
        let mut body = json!({"value": items});
        if !self.is_plain {
            set(&mut body, "odata.metadata", format!("{}/$metadata#{}", state.url, self.name));
        }
        let mut answer = Answer::json(200, &body);
        if let Some(((partition, row), _)) = found.next() {
            answer = answer
                .header("x-ms-continuation-nextpartitionkey", partition.clone())
                .header("x-ms-continuation-nextrowkey", row.clone());
        }
        Ok(answer)
    }

    /// Removes the properties that only the service writes.
    fn given(body: Value) -> Result<Value, Refused> {
        let Value::Object(mut members) = body else {
            return Err(Refused::new(400, "InvalidInput", "The body has to be an object."));
        };
        members.retain(|name, value| !name.starts_with("odata.") && name != "Timestamp" && !value.is_null());
        if members.len() > 255 {
            let message = "The entity contains more properties than allowed. Each entity can include up to 252 properties to store data.";
            return Err(Refused::new(400, "TooManyProperties", message));
        }
        Ok(Value::Object(members))
    }

    /// Source: <https://learn.microsoft.com/rest/api/storageservices/insert-entity>.
    fn insert(&self, state: &mut State, ask: &Ask<'_>, body: Value) -> Result<Answer, Refused> {
        let body = Self::given(body)?;
        let key = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(partition), Some(row)) = (key("PartitionKey"), key("RowKey")) else {
            let message = "The values are not specified for all properties in the entity.";
            return Err(Refused::new(400, "PropertiesNeedValue", message));
        };
        let keys = (partition, row);
        if state.data.entities.get(&self.table).is_some_and(|table| table.contains_key(&keys)) {
            return Err(Refused::new(409, "EntityAlreadyExists", "The specified entity already exists."));
        }
        let etag = state.write_entity(&self.table, keys.clone(), body);
        if ask.header("prefer") == "return-no-content" {
            return Ok(Answer::empty(204).header("etag", etag).header("preference-applied", "return-no-content"));
        }
        let mut answer = self.get(state, &keys, "")?;
        answer.status = 201;
        Ok(answer)
    }

    fn update(
        &self,
        state: &mut State,
        ask: &Ask<'_>,
        keys: (String, String),
        body: Value,
        is_merge: bool,
    ) -> Result<Answer, Refused> {
        let given = Self::given(body)?;
        let known = state.data.entities.get(&self.table).and_then(|table| table.get(&keys)).cloned();
        if !ask.header("if-match").is_empty() {
            met(ask, &text(known.as_ref().ok_or_else(missing)?, "/odata.etag"))?;
        }
        let mut whole = if is_merge { known.unwrap_or_else(|| json!({})) } else { json!({}) };
        for (name, value) in given.as_object().into_iter().flatten() {
            set(&mut whole, name, value.clone());
        }
        let etag = state.write_entity(&self.table, keys, whole);
        Ok(Answer::empty(204).header("etag", etag))
    }

    fn delete(&self, state: &mut State, ask: &Ask<'_>, keys: &(String, String)) -> Result<Answer, Refused> {
        if ask.header("if-match").is_empty() {
            let message = "An HTTP header that's mandatory for this request is not specified: If-Match.";
            return Err(Refused::new(400, "MissingRequiredHeader", message));
        }
        let table = state.data.entities.get_mut(&self.table).ok_or_else(missing)?;
        met(ask, &text(table.get(keys).ok_or_else(missing)?, "/odata.etag"))?;
        table.remove(keys);
        Ok(Answer::empty(204))
    }
}
