//! Route tables: <https://learn.microsoft.com/rest/api/virtualnetwork/route-tables>.

use serde_json::{Value, json};

use super::LRO;
use super::vnet::etag_now;
use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resource::is_name;

pub(super) const TABLE: &str = "etag location! tags* properties{disableBgpRoutePropagation \
    routes{id name! type etag properties!{addressPrefix \
    nextHopType!=VirtualNetworkGateway|VnetLocal|Internet|VirtualAppliance|None nextHopIpAddress provisioningState}} \
    subnets* resourceGuid provisioningState}";

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name(), 1..=80, "_.-") {
        return Err(Fail::invalid("InvalidResourceName", format!("Resource name {} is invalid.", call.name())));
    }
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    for route in properties.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = text(route, "/name");
        set(route, "id", format!("{}/routes/{name}", call.id));
        set(route, "type", "Microsoft.Network/routeTables/routes");
        set(route, "etag", etag_now());
        if let Some(properties) = route.get_mut("properties") {
            set(properties, "provisioningState", "Succeeded");
        }
    }
    let mut body = call.resource(properties);
    set(&mut body, "etag", etag_now());
    let codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    call.write(body, codes, Some(&LRO))
}
