//! Control planes of clouds, emulated in memory, that enforce IAM.
