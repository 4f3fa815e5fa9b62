//! What a process writes on its standard output: the same lines however they come, none longer than it may be, and no room taken by those
//! that are.

use bytes::Bytes;
use yett::upstream::stdio_lines::{Line, Lines};

use super::cuts::ways;

/// What is kept of each end of a line that is too long.
const KEPT: usize = 4 << 10;

/// The oracle.
pub fn check(input: &[u8]) {
    for longest in [7, 100, 10_000] {
        let expected: Vec<_> = reference(input, longest).collect();
        for pieces in ways(input) {
            let found = read(&pieces, longest);
            assert_eq!(found.len(), expected.len(), "of at most {longest}: {found:?} for {expected:?}");
            for (found, expected) in found.iter().zip(&expected) {
                agree(found, expected, longest);
            }
        }
    }
}

fn read(pieces: &[&[u8]], longest: usize) -> Vec<Line> {
    let (mut lines, mut found) = (Lines::of_at_most(longest), Vec::new());
    for piece in pieces {
        let room = lines.room();
        assert!(room.len() <= longest + 2 * KEPT, "{} bytes lie here for lines of at most {longest}", room.len());
        room.extend_from_slice(piece);
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    found
}

/// Lines that have an end, and say something or too much.
fn reference(input: &[u8], longest: usize) -> impl Iterator<Item = &[u8]> {
    let ended = input.iter().rposition(|byte| *byte == b'\n').map_or(&input[..0], |end| &input[..end]);
    let lines = ended.split(|byte| *byte == b'\n');
    lines.filter(move |line| line.len() > longest || !line.iter().all(u8::is_ascii_whitespace))
}

fn agree(found: &Line, line: &[u8], longest: usize) {
    match found {
        Line::Whole(whole) => {
            assert!(whole.len() <= longest, "a line of {} bytes is whole", whole.len());
            assert_eq!(whole, line);
        }
        Line::TooLong(edges) => {
            assert!(line.len() > longest, "a line of {} bytes is too long", line.len());
            assert!(edges.len() <= 2 * KEPT + 1, "{} bytes are kept", edges.len());
            assert!(are_edges(edges, line), "{edges:?} are not the ends of {line:?}");
        }
    }
}

/// A begin, a space, and an end, each of them all there is or as much as is kept.
fn are_edges(edges: &Bytes, line: &[u8]) -> bool {
    let same = edges.iter().zip(line).take_while(|(edge, byte)| edge == byte).count();
    (0..=same).any(|begin| {
        let end = edges.get(begin + 1..).filter(|_| edges[begin] == b' ');
        end.is_some_and(|end| line.ends_with(end))
    })
}
