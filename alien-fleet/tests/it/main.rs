//! What a fleet promises, on stores and clouds in this process.

#![expect(missing_docs, reason = "these are tests")]
