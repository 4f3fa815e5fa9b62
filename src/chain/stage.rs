//! Where a message lets others catch up.
//!
//! The code that one message runs from its first byte to its last is several times as large as a core's instruction cache. Run through in
//! one go, every message fetches all of it anew. So its way is cut into stages, at whose ends it goes to the back of the queue: under
//! load the messages that are ready pass a stage one after the other, and all but the first find its code in the cache. A message
//! that is alone loses a microsecond. Measured on the whole gateway, saturated: a fifth less CPU for each call.

/// The end of a stage: everything that is ready runs before this goes on. Cancel safe.
pub async fn end_of_stage() {
    tokio::task::yield_now().await;
}
