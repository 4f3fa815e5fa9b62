//! Text out of a provider's JSON, wiped when it is dropped; and the answer that it stood in, as far as we hold it.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize as _, Zeroizing};

/// A member that is text.
#[derive(Debug)]
pub(super) struct Wiped(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A member that may be something else than text, which is then left alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Member {
    Text(Wiped),
    Other(serde::de::IgnoredAny),
}

/// Reads JSON and wipes it.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(body: Bytes) -> Option<T> {
    let parsed = serde_json::from_slice(&body).ok();
    // Nobody else holds these bytes; where somebody did, they would not be ours to wipe.
    if let Ok(mut bytes) = body.try_into_mut() {
        bytes.as_mut().zeroize();
    }
    parsed
}
