//! Detectors of a policy's own, beside those of this build or in their places: read, and held against each other and their own samples.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use regex::bytes::RegexBuilder;

use super::catalogue::Catalogue;
use super::detector::{Anchor, How};
use super::embedded::Class;
use super::own::last_line;
use super::read::{Written, rows};
use super::row::{Nots, Row};
use super::samples::Mistake;
use super::scanner::{NotCompiled, Scanner};
use super::set::MOST;
use crate::yaml::{Node, Place, Report, Value, quoted, read};

/// See the module.
#[derive(Debug, Default)]
pub struct Additions {
    added: Vec<Added>,
    /// Where each id is given first.
    ids: HashMap<String, Place>,
    /// Ids and kinds of all rows, whatever else is wrong with them.
    said: HashSet<String>,
    /// Some file could not be read as rows at all.
    unread: bool,
    nots: Nots,
    catalogue: Option<Arc<Catalogue>>,
}

/// A row in which nothing is wrong by itself, and where it stands.
#[derive(Debug)]
struct Added {
    row: Arc<Row>,
    /// This build has the same.
    is_known: bool,
    kind: Place,
    stands: Stands,
}

/// Where a detector or a rule says what it is called, finds and spares.
#[derive(Debug)]
pub(super) struct Stands {
    pub(super) id: Place,
    finds: Vec<Place>,
    spares: Vec<Place>,
}

impl Stands {
    pub(super) fn of(node: &Node) -> Self {
        let samples = |key: &str| listed(node, key).iter().map(|sample| sample.place).collect();
        Self { id: place(node, "id"), finds: samples("finds"), spares: samples("spares") }
    }
}

impl Additions {
    /// Reads a file of detectors of this class. What is wrong stands in `report`.
    pub fn read(&mut self, class: Class, name: &str, bytes: &[u8], report: &mut Report) {
        let Some(node) = read(name, bytes, report) else {
            self.unread = true;
            return;
        };
        let built_in = match Catalogue::built_in() {
            Ok(built_in) => built_in,
            Err(broken) => {
                report.error(node.place, broken.to_string());
                return;
            }
        };
        for row in listed(&node, "detectors") {
            let names = ["id", "kind"].into_iter().filter_map(|key| row.get(key));
            self.said.extend(names.filter_map(|node| match &node.value {
                Value::Scalar(name) => Some(name.text.to_string()),
                Value::Mapping(_) | Value::Refused | Value::Sequence(_) => None,
            }));
        }
        let Some(rows) = rows(&node, report) else {
            self.unread = true;
            return;
        };
        for written in rows {
            self.add(class, written, built_in, report);
        }
    }

    /// Makes one catalogue of all that was read and what this build has. What is wrong with rows beside each other, and with what they find,
    /// stands in `report`.
    pub fn finish(&mut self, report: &mut Report) {
        // The files of this build take time to read, which nobody spends without files of their own.
        if self.added.is_empty() {
            return;
        }
        let Ok(built_in) = Catalogue::built_in() else { return };
        let rows: Vec<_> = self.added.iter().map(|added| Arc::clone(&added.row)).collect();
        let catalogue = built_in.with(&rows);
        self.too_many(built_in, report);
        self.two_meanings(&catalogue, report);
        self.samples(report);
        self.weaker(built_in, report);
        self.catalogue = (catalogue != **built_in).then(|| Arc::new(catalogue));
    }

    /// What there is to choose from.
    ///
    /// # Errors
    /// A file of this build is broken, which its tests exclude.
    pub fn catalogue(&self) -> Result<&Catalogue, &'static NotCompiled> {
        match &self.catalogue {
            Some(catalogue) => Ok(catalogue),
            None => Catalogue::built_in().map(|built_in| &**built_in),
        }
    }

    /// The same, if it is not what this build has.
    pub fn into_catalogue(self) -> Option<Arc<Catalogue>> {
        self.catalogue
    }

    /// Whether a row goes by this name in which something is wrong, or may: that is told, and no more of it.
    pub fn may_have(&self, name: &str) -> bool {
        self.unread || self.said.contains(name)
    }

    /// The rows that take no other's place, and where their ids stand.
    pub fn new_rows(&self) -> impl Iterator<Item = (&Row, Place)> {
        let is_new = |added: &&Added| Catalogue::built_in().is_ok_and(|rows| rows.row(&added.row.detector().id).is_none());
        self.added.iter().filter(is_new).map(|added| (&*added.row, added.stands.id))
    }

    fn add(&mut self, class: Class, written: Written<'_>, built_in: &Catalogue, report: &mut Report) {
        let Written { detector, node } = written;
        match self.ids.entry(detector.id.clone()) {
            Entry::Occupied(earlier) => {
                let first = report.locate(*earlier.get());
                let found = report.error(place(node, "id"), format!("the detector `{}` is given twice", detector.id));
                found.hint(format!("first at {first}"));
                return;
            }
            Entry::Vacant(free) => {
                free.insert(place(node, "id"));
            }
        }
        let known = built_in.row(&detector.id).filter(|known| known.class() == class && *known.detector() == detector);
        let row = known.map_or_else(|| Arc::new(Row::new(class, detector)), Arc::clone);
        // What this build has its tests have looked at.
        if known.is_none() && !(self.compiles(&row, node, report) && looks_where_it_can(&row, node, built_in, report)) {
            return;
        }
        let (kind, stands) = (place(node, "kind"), Stands::of(node));
        self.added.push(Added { row, is_known: known.is_some(), kind, stands });
    }

    fn compiles(&mut self, row: &Row, node: &Node, report: &mut Report) -> bool {
        let Err(error) = row.compile(&mut self.nots) else { return true };
        let alone = |written: &str| RegexBuilder::new(written).unicode(false).build();
        // It was one of them, then, which a set of patterns does not say.
        let broken = listed(node, "not").iter().find_map(|node| match &node.value {
            Value::Scalar(written) => alone(&written.text).err().map(|error| (node.place, error)),
            Value::Mapping(_) | Value::Refused | Value::Sequence(_) => None,
        });
        let pattern = node.get("pattern").map_or(node.place, |node| node.place);
        let (place, error) = broken.unwrap_or((pattern, error));
        report.error(place, format!("the pattern cannot be compiled: {}", last_line(&error))).hint(
            "https://docs.rs/regex/latest/regex/#syntax says what can be written, of bytes; backslashes stay in 'single quotes'",
        );
        false
    }

    fn too_many(&self, built_in: &Catalogue, report: &mut Report) {
        let count = built_in.rows().count();
        if let Some((_, place)) = self.new_rows().nth(MOST.saturating_sub(count)) {
            report
                .error(place, format!("with this one there are more than {MOST} detectors"))
                .hint(format!("{count} are of this build: replace some of them, or make a list for `words` of a `dlp` rule"));
        }
    }

    /// SECURITY: a name that is an id here and a kind there would make one rule mean both.
    fn two_meanings(&self, catalogue: &Catalogue, report: &mut Report) {
        for added in self.added.iter().filter(|added| !added.is_known) {
            let (id, kind) = (&added.row.detector().id, added.row.detector().kind);
            if kind != id && catalogue.rows().any(|row| row.detector().kind == id) {
                report
                    .error(added.stands.id, format!("`{id}` is a kind of other detectors"))
                    .hint("give this one another id, or the same kind");
            }
            if let Some(other) = catalogue.row(kind).filter(|row| row.detector().kind != kind) {
                report
                    .error(added.kind, format!("`{kind}` is a detector of the kind `{}`", other.detector().kind))
                    .hint("name another kind");
            }
        }
    }

    /// SECURITY: who replaces a row of this build means to make it better, and nobody else looks whether it is.
    fn weaker(&self, built_in: &Catalogue, report: &mut Report) {
        let (mut places, mut rows) = (HashMap::new(), Vec::new());
        for added in self.added.iter().filter(|added| !added.is_known) {
            let mut detector = added.row.detector().clone();
            let Some(before) = built_in.row(&detector.id) else { continue };
            detector.finds.clone_from(&before.detector().finds);
            detector.spares = Vec::new();
            places.insert(detector.id.clone(), added.stands.id);
            rows.push(Arc::new(Row::new(added.row.class(), detector)));
        }
        // Why they cannot be looked for is told of all of them.
        let Ok(scanner) = Scanner::of(rows) else { return };
        tell_weaker("detector", &scanner.mistakes(), places, report);
    }

    /// What a row says that it finds and spares is what its author knows of it: a row that does otherwise is not what they think.
    fn samples(&self, report: &mut Report) {
        let stands: HashMap<&str, &Stands> = self
            .added
            .iter()
            .filter(|added| !added.is_known)
            .map(|added| (added.row.detector().id.as_str(), &added.stands))
            .collect();
        // Not more than fit into one, whatever else was said about that.
        let rows = self.added.iter().filter(|added| !added.is_known).take(MOST).map(|added| Arc::clone(&added.row));
        match Scanner::of(rows.collect()) {
            Ok(scanner) => tell_samples("row", "", &scanner.mistakes(), &stands, report, |mistake| {
                format!("as it is filled by chance: {}", quoted(&mistake.text))
            }),
            Err(error) => {
                if let Some(first) = self.added.first() {
                    report.error(first.stands.id, error.to_string());
                }
            }
        }
    }
}

/// Tells of everything that takes the place of a `what` of this build that it misses what that one finds.
pub(super) fn tell_weaker<K>(what: &str, mistakes: &[Mistake], mut places: HashMap<K, Place>, report: &mut Report)
where
    K: Borrow<str> + Eq + Hash,
{
    for mistake in mistakes {
        if let Some(place) = places.remove(mistake.id.as_str()) {
            report
                .warning(
                    place,
                    format!("`{}` does not find all that the {what} of this build finds, whose place it takes", mistake.id),
                )
                .hint("make it wider, or give it another id: then both are looked for")
                .note(format!("among what is missed: {}", quoted(&mistake.text)));
        }
    }
}

/// Tells which samples of a `what` are not what they are said to be; `how` the missed ones are read, and what there is to `note`.
pub(super) fn tell_samples(
    what: &str,
    how: &str,
    mistakes: &[Mistake],
    stands: &HashMap<&str, &Stands>,
    report: &mut Report,
    note: impl Fn(&Mistake) -> String,
) {
    for mistake in mistakes {
        let Some(stands) = stands.get(mistake.id.as_str()) else { continue };
        let places = if mistake.finds { &stands.spares } else { &stands.finds };
        let place = places.get(mistake.at).copied().unwrap_or(stands.id);
        let (found, fix) = if mistake.finds {
            ("finds this sample, which it is to spare", format!("make the {what} narrower, or take the sample out"))
        } else {
            ("does not find this sample", format!("make the {what} wider, or correct the sample{how}"))
        };
        report.error(place, format!("`{}` {found}", mistake.id)).hint(fix).note(note(mistake));
    }
}

/// SECURITY: what a matcher reads is bounded by what its anchors are.
fn looks_where_it_can(row: &Row, node: &Node, built_in: &Catalogue, report: &mut Report) -> bool {
    let How::Matcher(_) = row.detector().how else { return true };
    let known = || built_in.rows().map(|row| row.detector()).filter(|known| known.how == row.detector().how);
    let anchors = |anchor: &Anchor| match (anchor, &row.detector().anchor) {
        (Anchor::Literals(known), Anchor::Literals(own)) => own.iter().all(|literal| known.contains(literal)),
        (known, own) => known == own,
    };
    if known().any(|known| anchors(&known.anchor)) {
        return true;
    }
    let key = if node.get("anchors").is_some() { "anchors" } else { "anchor" };
    let hint = match known().next().map(|known| &known.anchor) {
        Some(Anchor::Literals(literals)) => format!("write `anchors: [{}]`, or some of them", literals.join(", ")),
        Some(Anchor::At) => "write `anchor: at`".to_owned(),
        Some(Anchor::Base64) => "write `anchor: base64`".to_owned(),
        Some(Anchor::Digits) => "write `anchor: digits`".to_owned(),
        Some(Anchor::Text) | None => "write a `pattern`".to_owned(),
    };
    let place = node.get(key).map_or(node.place, |node| node.place);
    report.error(place, "this matcher does not look around such an anchor").hint(hint);
    false
}

/// Where the value of a key stands, or everything in which it is missing.
fn place(node: &Node, key: &str) -> Place {
    node.get(key).map_or(node.place, |value| value.place)
}

/// The items of a list, if it is one.
fn listed<'t>(node: &'t Node, key: &str) -> &'t [Node] {
    match node.get(key).map(|node| &node.value) {
        Some(Value::Sequence(items)) => items,
        Some(Value::Mapping(_) | Value::Refused | Value::Scalar(_)) | None => &[],
    }
}
