//! Converts an object from the REST form, which the emulator stores. Source:
//! <https://docs.cloud.google.com/storage/docs/json_api/v1/objects>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use googleapis_tonic_google_storage_v2::google::storage::v2::{Object, ObjectChecksums};
use serde_json::Value;

use super::bucket::PREFIX;
use super::json::{flag, map, number, small_number, text, time};

pub(super) fn from_json(object: &Value) -> Object {
    let crc32c = STANDARD.decode(text(object, "crc32c")).ok().and_then(|bytes| bytes.try_into().ok());
    Object {
        name: text(object, "name"),
        bucket: format!("{PREFIX}{}", text(object, "bucket")),
        etag: text(object, "etag"),
        generation: number(object, "generation").unwrap_or_default(),
        metageneration: number(object, "metageneration").unwrap_or_default(),
        storage_class: text(object, "storageClass"),
        size: number(object, "size").unwrap_or_default(),
        content_encoding: text(object, "contentEncoding"),
        content_disposition: text(object, "contentDisposition"),
        cache_control: text(object, "cacheControl"),
        content_language: text(object, "contentLanguage"),
        content_type: text(object, "contentType"),
        create_time: time(object, "timeCreated"),
        update_time: time(object, "updated"),
        finalize_time: time(object, "timeFinalized"),
        custom_time: time(object, "customTime"),
        update_storage_class_time: time(object, "timeStorageClassUpdated"),
        component_count: small_number(object, "componentCount").unwrap_or_default(),
        checksums: Some(ObjectChecksums {
            crc32c: crc32c.map(u32::from_be_bytes),
            md5_hash: STANDARD.decode(text(object, "md5Hash")).unwrap_or_default(),
        }),
        soft_delete_time: time(object, "softDeleteTime"),
        hard_delete_time: time(object, "hardDeleteTime"),
        kms_key: text(object, "kmsKeyName"),
        temporary_hold: flag(object, "temporaryHold"),
        event_based_hold: object.get("eventBasedHold").and_then(Value::as_bool),
        metadata: map(object, "metadata"),
        ..Object::default()
    }
}
