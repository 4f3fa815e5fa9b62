//! Protocol Buffers' wire format, as far as OTLP needs it (<https://protobuf.dev/programming-guides/encoding/>).

/// A message that is being written: each value behind its field number and wire type.
#[derive(Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// As it is sent.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A varint.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    /// Eight bytes.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A length and so many bytes.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
    }

    /// The same, of text.
    pub(crate) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message in the message.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// Four bytes.
    pub(crate) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.0.push(low & 0x7f);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}

/// The value of a field of type varint in a message, the last one if there are several; nothing if there is none, or if it is no message.
pub(crate) fn varint_of(message: &[u8], field: u32) -> Option<u64> {
    let mut found = None;
    each(message, |number, value| {
        if let (true, Read::Varint(value)) = (number == field, value) {
            found = Some(value);
        }
    })?;
    found
}

/// The bytes of a field of a message, likewise.
pub(crate) fn bytes_of(message: &[u8], field: u32) -> Option<&[u8]> {
    let mut found = None;
    each(message, |number, value| {
        if let (true, Read::Bytes(bytes)) = (number == field, value) {
            found = Some(bytes);
        }
    })?;
    found
}

enum Read<'m> {
    Varint(u64),
    Bytes(&'m [u8]),
    Fixed,
}

fn each<'m>(mut rest: &'m [u8], mut take: impl FnMut(u32, Read<'m>)) -> Option<()> {
    while !rest.is_empty() {
        let tag = read_varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Read::Varint(read_varint(&mut rest)?),
            1 => {
                rest = rest.get(8..)?;
                Read::Fixed
            }
            2 => {
                let length = usize::try_from(read_varint(&mut rest)?).ok()?;
                let (bytes, more) = rest.split_at_checked(length)?;
                rest = more;
                Read::Bytes(bytes)
            }
            5 => {
                rest = rest.get(4..)?;
                Read::Fixed
            }
            _ => return None,
        };
        take(u32::try_from(tag >> 3).ok()?, value);
    }
    Some(())
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, more) = rest.split_first()?;
        *rest = more;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_protobuf_has_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.text(2, "testing");
        message.message(3, |inner| inner.number(1, 150));
        message.fixed32(16, 1);
        message.fixed64(7, 2);
        message.number(3, (-1_i64).cast_unsigned());
        // The first three from protobuf.dev, "Encoding".
        let expected: &[&[u8]] = &[
            &[0x08, 0x96, 0x01],
            &[0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
            &[0x1a, 0x03, 0x08, 0x96, 0x01],
            &[0x85, 0x01, 1, 0, 0, 0],
            &[0x39, 2, 0, 0, 0, 0, 0, 0, 0],
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ];
        assert_eq!(message.0, expected.concat());
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_message_is_nothing() {
        let mut message = Message::default();
        message.fixed64(9, 1);
        message.message(1, |partial| {
            partial.number(1, 300);
            partial.text(2, "too old");
        });
        message.fixed32(16, 1);
        let bytes = message.into_bytes();
        let partial = bytes_of(&bytes, 1).unwrap();
        assert_eq!((varint_of(partial, 1), bytes_of(partial, 2)), (Some(300), Some(&b"too old"[..])));
        assert_eq!((varint_of(partial, 3), varint_of(&[], 1)), (None, None));
        for length in 1..bytes.len() {
            let _ = (bytes_of(&bytes[..length], 1), varint_of(&bytes[length..], 1));
        }
        assert_eq!(varint_of(&[0x08, 0xff], 1), None);
        assert_eq!(bytes_of(&[0x0a, 0xff, 0x7f], 1), None);
    }
}
