//! Numbers that states give to people, one function each, by part of the world.

pub(super) mod americas;
pub(super) mod asia;
pub(super) mod balkan;
pub(super) mod baltic;
pub(super) mod east;
pub(super) mod german;
pub(super) mod isles;
pub(super) mod nordic;
pub(super) mod south;
pub(super) mod southern;
pub(super) mod us;
pub(super) mod west;
