//! What each kind of key signs, and the bytes of its signature: C2SP signed-note and tlog-cosignature.
//!
//! | scheme | signed message | signature |
//! | --- | --- | --- |
//! | Ed25519 | the text of the note | 64 bytes |
//! | `cosignature/v1` | `cosignature/v1`, `time N`, the text | time as u64, 64 bytes |
//! | ML-DSA-44 | `subtree/v1`, signer's name, time, origin, 0, size, root | time as u64, 2,420 bytes |
//!
//! A timestamped signature says: at this time, this was the largest consistent tree the signer had seen of the log. Time is
//! in seconds since 1970; whether it lies in the future is for the caller to judge.

use std::borrow::Cow;

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    key::{Scheme, VerifierKey},
    signer::{SignError, Signer},
    tree::MAX_SIZE,
};

/// Why a signature was not made or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not made by this key over this text.
    #[error("the signature is not one of this key over this text")]
    Forged,
    /// The key signs tree heads only.
    #[error("a key of this type signs checkpoints only: {0}")]
    NotCheckpoint(#[from] CheckpointError),
    /// The cryptographic library refused.
    #[error(transparent)]
    Refused(#[from] SignError),
    /// Too short to hold a time.
    #[error("the signature is too short to hold its time")]
    Short,
    /// A time the format does not allow.
    #[error("the time of the signature is above {MAX_SIZE}")]
    Time,
}

/// Signs the text of a note at `time`, which plain Ed25519 leaves out. Gives the bytes that follow the key id.
pub fn sign(signer: &Signer, text: &str, time: u64) -> Result<Vec<u8>, SignatureError> {
    let key = signer.key();
    if !key.scheme().is_timestamped() {
        return Ok(signer.sign(text.as_bytes())?);
    }
    let mut bytes = time.to_be_bytes().to_vec();
    bytes.extend(signer.sign(&message(key, text, time)?)?);
    Ok(bytes)
}

/// Checks the bytes that follow the key id. Gives the time the signature was made, if it says so.
pub fn verify(key: &VerifierKey, text: &str, bytes: &[u8]) -> Result<Option<u64>, SignatureError> {
    let (time, signature) = if key.scheme().is_timestamped() {
        let (time, signature) = bytes.split_first_chunk().ok_or(SignatureError::Short)?;
        (Some(u64::from_be_bytes(*time)), signature)
    } else {
        (None, bytes)
    };
    let message = message(key, text, time.unwrap_or_default())?;
    if !key.is_signed(&message, signature) {
        return Err(SignatureError::Forged);
    }
    Ok(time)
}

fn message<'a>(key: &VerifierKey, text: &'a str, time: u64) -> Result<Cow<'a, [u8]>, SignatureError> {
    if time > MAX_SIZE {
        return Err(SignatureError::Time);
    }
    Ok(match key.scheme() {
        Scheme::Ed25519 => Cow::Borrowed(text.as_bytes()),
        Scheme::CosignatureV1 => Cow::Owned(format!("cosignature/v1\ntime {time}\n{text}").into_bytes()),
        Scheme::MlDsa44 => Cow::Owned(subtree(key.name(), time, &Checkpoint::parse(text)?)),
    })
}

/// The `cosigned_message` of a whole tree. Both names were checked to fit their length byte when they were read.
fn subtree(signer: &str, time: u64, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut message = b"subtree/v1\n\0".to_vec();
    push_name(&mut message, signer);
    message.extend(time.to_be_bytes());
    push_name(&mut message, &checkpoint.origin);
    message.extend(0_u64.to_be_bytes());
    message.extend(checkpoint.size.to_be_bytes());
    message.extend(checkpoint.root.as_bytes());
    message
}

fn push_name(message: &mut Vec<u8>, name: &str) {
    message.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    message.extend(name.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::Hash;

    const TEXT: &str = "log.example\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn each_scheme_verifies_its_own_signature_and_gives_its_time() {
        for (scheme, time, len) in
            [(Scheme::Ed25519, None, 64), (Scheme::CosignatureV1, Some(9), 72), (Scheme::MlDsa44, Some(9), 2428)]
        {
            let signer = Signer::generate("witness.example", scheme).unwrap();
            let bytes = sign(&signer, TEXT, 9).unwrap();
            assert_eq!(bytes.len(), len);
            assert_eq!(verify(signer.key(), TEXT, &bytes), Ok(time));
            assert_eq!(verify(signer.key(), &TEXT.replace('7', "8"), &bytes), Err(SignatureError::Forged));
        }
    }

    #[test]
    fn a_changed_time_breaks_a_timestamped_signature() {
        for scheme in [Scheme::CosignatureV1, Scheme::MlDsa44] {
            let signer = Signer::generate("witness.example", scheme).unwrap();
            let mut bytes = sign(&signer, TEXT, 9).unwrap();
            bytes[7] ^= 1;
            assert_eq!(verify(signer.key(), TEXT, &bytes), Err(SignatureError::Forged));
            bytes[0] = 0x80;
            assert_eq!(verify(signer.key(), TEXT, &bytes), Err(SignatureError::Time));
            assert_eq!(verify(signer.key(), TEXT, &bytes[..7]), Err(SignatureError::Short));
            assert_eq!(sign(&signer, TEXT, 1 << 63), Err(SignatureError::Time));
        }
    }

    #[test]
    fn an_ml_dsa_key_signs_only_checkpoints() {
        let signer = Signer::generate("log.example", Scheme::MlDsa44).unwrap();
        let refused = SignatureError::NotCheckpoint(CheckpointError::MissingLine);
        assert_eq!(sign(&signer, "just text\n", 9), Err(refused));
    }

    #[test]
    fn a_signature_of_one_type_is_none_of_another_under_the_same_key() {
        let plain = Signer::from_seed("log.example", Scheme::Ed25519, &[3; 32]).unwrap();
        let witness = Signer::from_seed("log.example", Scheme::CosignatureV1, &[3; 32]).unwrap();
        let bytes = sign(&witness, TEXT, 9).unwrap();
        assert_eq!(verify(plain.key(), TEXT, &bytes[8..]), Err(SignatureError::Forged));
    }

    #[test]
    fn the_subtree_message_has_the_layout_of_the_specification() {
        let root = Hash::leaf(b"");
        let checkpoint = Checkpoint { origin: "log".to_owned(), size: 258, root };
        let mut expected = b"subtree/v1\n\0\x02w1\0\0\0\0\0\0\0\x05\x03log\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02".to_vec();
        expected.extend(root.as_bytes());
        assert_eq!(subtree("w1", 5, &checkpoint), expected);
    }

    #[test]
    fn the_same_ml_dsa_key_under_another_name_does_not_verify() {
        let one = Signer::from_seed("one.example", Scheme::MlDsa44, &[3; 32]).unwrap();
        let other = Signer::from_seed("other.example", Scheme::MlDsa44, &[3; 32]).unwrap();
        let bytes = sign(&one, TEXT, 9).unwrap();
        assert_eq!(verify(other.key(), TEXT, &bytes), Err(SignatureError::Forged));
    }
}
