//! Transparency log: trees, proofs and the text formats around them, as C2SP and RFC 6962 define them.
//!
//! What passes through: bytes on their way into typed values and back. Everything here is a function of its arguments: no
//! file, no socket, no clock. What it guarantees: strict readers, each with one reason for each way of being wrong, and one
//! spelling for each value, so that what is read writes back to the same bytes. Hostile input costs at most its own size.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `hash`, `tree` | hashes of RFC 6962; the growing end of a tree |
//! | `proof`, `tile` | inclusion and consistency proofs; the files they are made from |
//! | `key`, `signer` | verifier keys; private keys |
//! | `note`, `checkpoint`, `cosignature` | signed notes; what a tree head says; what is signed |
//! | `policy` | which logs and how many witnesses to believe |
//! | `proof_file`, `add_checkpoint` | a proof in one file; what a log asks of a witness |

pub mod add_checkpoint;
pub mod cosignature;

mod checkpoint;
mod hash;
mod hash_lines;
mod key;
mod last_heads;
mod note;
mod number;
mod policy;
mod proof;
mod proof_file;
mod signer;
mod tile;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, ORIGIN_MAX};
pub use cosignature::SignatureError;
pub use hash::{HASH_LEN, Hash};
pub use hash_lines::{LinesError, PROOF_MAX};
pub use key::{KeyError, KeyId, NAME_MAX, Scheme, VerifierKey};
pub use last_heads::LastHeads;
pub use note::{NOTE_MAX, Note, NoteError, SIGNATURES_MAX, Signature, Signed, Verified};
pub use policy::{Met, POLICY_MAX, Policy, PolicyError, PolicyFault, PolicyLog, PolicyWitness, Unmet};
pub use proof::{
    HashSource, Head, ProofError, ProveError, prove_consistency, prove_inclusion, root_of, verify_consistency, verify_inclusion,
};
pub use proof_file::{ProofFile, ProofFileError};
pub use signer::{SEED_LEN, SignError, Signer};
pub use tile::{BadTilePath, LEVEL_MAX, TILE_BYTES, TILE_WIDTH, Tile, TileBuilder, TileError, TileId, TileSource};
pub use tree::{Frontier, FrontierError, MAX_SIZE};
