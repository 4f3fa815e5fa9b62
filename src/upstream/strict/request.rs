//! Our own side of a connection: a request that is not written to its end leaves nothing to go on with.

use memchr::memmem;

/// How much of our own request has been written. It always tells its length (`http.rs`), so the reading is plain.
#[derive(Debug)]
pub(super) enum RequestWatch {
    Head(Vec<u8>),
    Body(u64),
}

impl Default for RequestWatch {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl RequestWatch {
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Body(0))
    }

    pub(super) fn observe(&mut self, bytes: &[u8]) {
        match self {
            Self::Body(left) => *left = left.saturating_sub(bytes.len() as u64),
            Self::Head(earlier) => {
                earlier.extend_from_slice(bytes);
                let Some(end) = memmem::find(earlier, b"\r\n\r\n") else { return };
                let body = (earlier.len() - end - 4) as u64;
                *self = Self::Body(length_in(earlier.get(..end).unwrap_or_default()).saturating_sub(body));
            }
        }
    }
}

fn length_in(head: &[u8]) -> u64 {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|&byte| byte == b'\n');
    let value = lines
        .filter_map(|line| line.split_at_checked(NAME.len()))
        .find(|(name, _)| name.eq_ignore_ascii_case(NAME))
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.trim().parse().ok());
    value.unwrap_or(0)
}
