//! Texts that a client shows as one, read across their seams. Pure.

use std::ops::Range;

use super::json::NodeId;
use super::{Message, content_texts};

/// A text that is shorter may be the middle of something.
const SHORT: usize = 64;

/// So many texts in a row are looked at as if nothing came behind them: a letter there would be a part of what is looked for.
const FEW: usize = 4;

/// In more pieces nothing is looked for.
const MOST: usize = 32;

/// Texts in a row, put together, with the way back.
#[derive(Debug, Default)]
pub struct Row {
    text: String,
    stretches: Vec<Stretch>,
}

/// What of one text stands in a row.
#[derive(Debug)]
struct Stretch {
    node: NodeId,
    /// Where it begins in its own text.
    start: usize,
    /// Where it stands in the row.
    at: Range<usize>,
}

impl Row {
    /// Shows the text blocks of a message to `visit` in rows: from each block on as many as `edge` bytes on both sides of its end reach. `between`
    /// stands between them.
    pub fn each(message: &Message, edge: usize, between: &str, visit: &mut dyn FnMut(&Self)) {
        let texts = content_texts(message).filter_map(|value| Some((value.id(), value.as_str()?)));
        let texts: Vec<_> = texts.filter(|(_, text)| !text.is_empty()).collect();
        let mut row = Self::default();
        for (first, (node, text)) in (1..).zip(&texts) {
            let Some(others) = texts.get(first..).filter(|others| !others.is_empty()) else { break };
            row.clear();
            row.push(*node, text, text.ceil_char_boundary(text.len().saturating_sub(edge))..text.len());
            let whole = row.text.len() + edge;
            for (count, (node, text)) in (2..).zip(others) {
                row.text.push_str(between);
                row.push(*node, text, 0..text.floor_char_boundary(edge));
                let is_full = row.text.len() >= whole || count == MOST;
                let is_last = is_full || text.len() >= SHORT || count == others.len() + 1;
                if count <= FEW || is_last {
                    visit(&row);
                }
                if is_last {
                    break;
                }
            }
        }
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parts of a stretch that begins in the first text and ends in another, each in its own; nothing of any other, which lies in one text or
    /// begins another row.
    pub fn parts(&self, span: Range<usize>) -> impl Iterator<Item = (NodeId, Range<usize>)> {
        let seam = self.stretches.first().map_or(0, |first| first.at.end);
        let second = self.stretches.get(1).map_or(usize::MAX, |second| second.at.start);
        let crosses = span.start < seam && span.end > second;
        self.stretches.iter().filter(move |_| crosses).filter_map(move |stretch| {
            let (from, to) = (span.start.max(stretch.at.start), span.end.min(stretch.at.end));
            let back = |at: usize| at - stretch.at.start + stretch.start;
            (from < to).then(|| (stretch.node, back(from)..back(to)))
        })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.stretches.clear();
    }

    fn push(&mut self, node: NodeId, text: &str, range: Range<usize>) {
        let (start, at) = (range.start, self.text.len());
        self.text.push_str(text.get(range).unwrap_or_default());
        self.stretches.push(Stretch { node, start, at: at..self.text.len() });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    fn rows(texts: &[&str], edge: usize, between: &str) -> Vec<String> {
        let blocks: Vec<_> = texts.iter().map(|text| serde_json::json!({ "type": "text", "text": text })).collect();
        let json = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": blocks } });
        let message = Message::parse(Bytes::from(json.to_string()), Limits::NONE, Side::Server).unwrap();
        let mut rows = Vec::new();
        Row::each(&message, edge, between, &mut |row| {
            let parts: String = row
                .parts(0..row.text.len())
                .map(|(node, range)| message.value(node).as_str().unwrap().get(range).unwrap().to_owned())
                .collect();
            assert_eq!(parts, row.text.replace(between, "").as_str(), "all of it leads back");
            rows.push(row.text.clone());
        });
        rows
    }

    #[test]
    fn texts_are_put_together_from_each_on_as_far_as_something_may_reach() {
        assert_eq!(rows(&["one"], 8, ""), Vec::<String>::new());
        assert_eq!(rows(&["one", "", "two"], 8, "|"), ["one|two"]);
        assert_eq!(rows(&["a", "b", "c"], 8, ""), ["ab", "abc", "bc"]);
        let long = "x".repeat(100);
        assert_eq!(rows(&[&long, "b", &long], 4, ""), ["xxxxb", "xxxxbxxxx", "bxxxx"]);
    }

    #[test]
    fn many_small_texts_make_no_more_rows_than_a_few_each() {
        let texts = vec!["x"; 2000];
        assert!(rows(&texts, 512, "").len() <= 2000 * (FEW + 1));
    }
}
