//! Words that policies and accesses here are made of, each with what it means beside it. The oracle goes by these meanings: it reads no
//! condition, no Rego and no URI, so it cannot be wrong about one in the way in which the engine is.

use jiff::Timestamp;

use super::accesses::Who;
use super::world::Place;

pub(in super::super) const SERVERS: [&str; 3] = ["crm", "hr", "mail"];
pub(in super::super) const GROUPS: [&str; 3] = ["g0", "g1", "g2"];
pub(in super::super) const TENANTS: [&str; 2] = ["t", "u"];
pub(in super::super) const REGIONS: [&str; 2] = ["eu", "us"];
/// The one extension method.
pub(in super::super) const VENDOR: &str = "vendor/x";
pub(in super::super) const PROMPTS: [&str; 4] = ["greeting", "Greeting", "two words", "draft"];
pub(in super::super) const PROMPT_PATTERNS: [&str; 4] = ["greeting", "greet*", "two words", "*"];
pub(in super::super) const TOOLS: [&str; 6] = ["a", "A", "b", "ab", "B", "get_x"];
/// No pattern grants it: no tool may be called so.
pub(in super::super) const NO_TOOL: &str = "two words";
pub(in super::super) const TOOL_PATTERNS: [&str; 8] = ["a", "b", "ab", "a*", "*b", "get_*", "*_*", "*"];

/// A URI or a template as somebody may write it.
pub(in super::super) struct Uri {
    pub(in super::super) text: &'static str,
    /// Whether it is in the one form that grants are compared with: as a URI, and as a template.
    pub(in super::super) canonical: (bool, bool),
    /// What every spelling of it is to rules.
    pub(in super::super) folded: &'static str,
}

const fn uri(text: &'static str, canonical: bool, folded: &'static str) -> Uri {
    Uri { text, canonical: (canonical, canonical), folded }
}

pub(in super::super) const URIS: [Uri; 18] = [
    uri("file:///docs/a", true, "file:///docs/a"),
    uri("file:///docs/deep/a", true, "file:///docs/deep/a"),
    uri("file:///docs/secret/a", true, "file:///docs/secret/a"),
    uri("file:///docs/Secret/a", true, "file:///docs/secret/a"),
    uri("file:///docs/b%20c", true, "file:///docs/b c"),
    uri("file:///docs/%61", false, "file:///docs/a"),
    uri("file:///docs/../etc/a", false, "file:///docs/../etc/a"),
    uri("file:///docs/%2E%2E/etc/a", false, "file:///docs/../etc/a"),
    uri("file:///docs/secret%2Fa", false, "file:///docs/secret/a"),
    uri("file:///docs//a", false, "file:///docs//a"),
    uri("FILE:///docs/a", false, "file:///docs/a"),
    uri("https://h.example", true, "https://h.example/"),
    uri("https://h.example/x", true, "https://h.example/x"),
    uri("https://h.example:443/x", false, "https://h.example:443/x"),
    uri("https://H.example/x", false, "https://h.example/x"),
    uri("file:///docs/{name}", true, "file:///docs/{name}"),
    uri("file:///docs/{+name}/../x", false, "file:///docs/{+name}/../x"),
    Uri { text: "file:///docs/{?x", canonical: (true, false), folded: "file:///docs/{?x" },
];

/// Patterns of URIs, and what they are in rules.
pub(in super::super) const URI_PATTERNS: [(&str, &str); 9] = [
    ("file:///docs/a", "file:///docs/a"),
    ("file:///docs/*", "file:///docs/*"),
    ("file:///docs/**", "file:///docs/**"),
    ("file:///Docs/%73ecret/**", "file:///docs/secret/**"),
    ("file:///docs/secret/*", "file:///docs/secret/*"),
    ("file:///**", "file:///**"),
    ("https://h.example", "https://h.example/"),
    ("https://h.example/**", "https://h.example/**"),
    ("file:///docs/b%20c", "file:///docs/b c"),
];

/// What the argument `x` of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum X {
    /// There are no arguments yet.
    Unknown,
    Missing,
    Null,
    Number(i64),
    Text(&'static str),
    /// It stands there as `X`.
    Spelled,
}

pub(in super::super) const ARGUMENTS: [(Option<&str>, X); 8] = [
    (None, X::Missing),
    (Some("{}"), X::Missing),
    (Some("{\"x\":1}"), X::Number(1)),
    (Some("{\"x\":2,\"y\":[]}"), X::Number(2)),
    (Some("{\"x\":\"1\"}"), X::Text("1")),
    (Some("{\"x\":null}"), X::Null),
    (Some("{\"x\":\"q\"}"), X::Text("q")),
    (Some("{\"X\":1}"), X::Spelled),
];

/// What a condition or a module can look at.
pub(in super::super) struct Seen<'a> {
    pub(in super::super) who: &'a Who,
    pub(in super::super) roles: &'a [String],
    pub(in super::super) place: &'a Place,
    pub(in super::super) method: &'a str,
    pub(in super::super) operation: &'a str,
    pub(in super::super) tool: Option<&'a str>,
    pub(in super::super) resource: Option<&'a str>,
    pub(in super::super) x: X,
    pub(in super::super) now: Timestamp,
    pub(in super::super) peer: Option<&'a str>,
}

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Says {
    Yes,
    No,
    Fails,
    Unknown,
}

impl Says {
    fn is(it: bool) -> Self {
        if it { Self::Yes } else { Self::No }
    }

    /// Of what may be missing.
    fn of<T>(value: Option<T>, is: impl Fn(T) -> bool) -> Self {
        value.map_or(Self::Fails, |value| Self::is(is(value)))
    }
}

/// One condition.
pub(in super::super) struct Condition {
    pub(in super::super) text: &'static str,
    pub(in super::super) says: fn(&Seen<'_>) -> Says,
    /// Whether it says the same of every use of a thing by its caller.
    pub(in super::super) steady: bool,
    /// Whether it says the same at any time.
    pub(in super::super) timeless: bool,
}

const fn condition(text: &'static str, steady: bool, says: fn(&Seen<'_>) -> Says) -> Condition {
    Condition { text, says, steady, timeless: true }
}

fn x_is(x: X, wanted: i64) -> Says {
    match x {
        X::Unknown => Says::Unknown,
        X::Number(number) => Says::is(number == wanted),
        // Anything may be compared with null.
        X::Null => Says::No,
        X::Missing | X::Text(_) | X::Spelled => Says::Fails,
    }
}

pub(in super::super) const CONDITIONS: [Condition; 17] = [
    condition("arguments.x == 1", false, |seen| x_is(seen.x, 1)),
    condition("arguments.x <= 1", false, |seen| match seen.x {
        X::Unknown => Says::Unknown,
        X::Number(number) => Says::is(number <= 1),
        X::Missing | X::Null | X::Text(_) | X::Spelled => Says::Fails,
    }),
    condition("has(arguments.x)", false, |seen| match seen.x {
        X::Unknown => Says::Unknown,
        X::Missing => Says::No,
        X::Null | X::Number(_) | X::Text(_) => Says::Yes,
        X::Spelled => Says::Fails,
    }),
    condition("principal.subject == \"una\" || arguments.x == 2", false, |seen| match seen.who.subject {
        "una" => Says::Yes,
        _ => x_is(seen.x, 2),
    }),
    condition("principal.groups.exists(g, g == \"g0\")", true, |seen| Says::is(seen.who.groups.contains(&"g0"))),
    condition("\"c0\" in principal.claimed_roles", true, |seen| Says::is(seen.who.claimed_roles.contains(&"c0"))),
    condition("\"r1\" in principal.roles", true, |seen| Says::is(seen.roles.iter().any(|role| role == "r1"))),
    condition("principal.issuer == \"corp\"", true, |seen| Says::is(seen.who.issuer == "corp")),
    condition("has(principal.client) && principal.client == \"k\"", true, |seen| Says::is(seen.who.client == Some("k"))),
    condition("principal.tenant == \"t\"", true, |seen| Says::of(seen.who.tenant, |tenant| tenant == "t")),
    condition("principal.attributes.department == \"legal\"", true, |seen| {
        Says::of(seen.who.department, |department| department == "legal")
    }),
    condition("principal.region == server.region", true, |seen| {
        Says::of(seen.who.region.zip(seen.place.region), |(one, other)| one == other)
    }),
    condition("access.operation == \"read\"", true, |seen| Says::is(seen.operation == "read")),
    condition("access.method == \"resources/subscribe\"", false, |seen| Says::is(seen.method == "resources/subscribe")),
    condition("now.getFullYear() > 2000 && has(access.tool) && access.tool == \"a\"", false, |seen| {
        Says::is(seen.tool == Some("a"))
    }),
    condition("inNetwork(peer.address, \"127.0.0.0/8\")", false, |seen| {
        Says::of(seen.peer, |address| address.starts_with("127."))
    }),
    Condition {
        text: "now.getMilliseconds() < 500",
        says: |seen| Says::is(seen.now.subsec_millisecond() < 500),
        steady: false,
        timeless: false,
    },
];

/// What a module says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Said {
    Nothing,
    Denies,
    Fails,
}

impl Said {
    fn if_so(it: bool) -> Self {
        if it { Self::Denies } else { Self::Nothing }
    }
}

/// One Rego module. Of several that deny the first by [`Module::rule`] is on record: texts come before objects, and objects with a reason
/// before those with a rule alone.
pub(in super::super) struct Module {
    pub(in super::super) rule: &'static str,
    pub(in super::super) text: &'static str,
    pub(in super::super) says: fn(&Seen<'_>) -> Said,
    pub(in super::super) reads_arguments: bool,
    pub(in super::super) steady: bool,
}

const fn module(rule: &'static str, text: &'static str, steady: bool, says: fn(&Seen<'_>) -> Said) -> Module {
    Module { rule, text, says, reads_arguments: false, steady }
}

const fn by_arguments(rule: &'static str, text: &'static str, says: fn(&Seen<'_>) -> Said) -> Module {
    Module { rule, text, says, reads_arguments: true, steady: false }
}

pub(in super::super) const MODULES: [Module; 9] = [
    by_arguments("rego:deny", "deny contains \"Not two.\" if input.arguments.x == 2", |seen| Said::if_so(seen.x == X::Number(2))),
    module(
        "rego:abroad",
        "deny contains {\"reason\": \"Elsewhere.\", \"rule\": \"abroad\"} if input.server.region != input.principal.region",
        true,
        |seen| Said::if_so(seen.who.region.zip(seen.place.region).is_some_and(|(one, other)| one != other)),
    ),
    module("rego:no-b", "deny contains {\"rule\": \"no-b\"} if input.access.tool == \"b\"", true, |seen| {
        Said::if_so(seen.tool == Some("b"))
    }),
    module(
        "rego:no-secrets",
        "deny contains {\"rule\": \"no-secrets\"} if startswith(input.access.resource, \"file:///docs/secret\")",
        true,
        |seen| Said::if_so(seen.resource.is_some_and(|uri| uri.starts_with("file:///docs/secret"))),
    ),
    module(
        "rego:no-subscriptions",
        "deny contains {\"rule\": \"no-subscriptions\"} if input.access.method == \"resources/subscribe\"",
        false,
        |seen| Said::if_so(seen.method == "resources/subscribe"),
    ),
    module("rego:not-u", "deny contains {\"rule\": \"not-u\"} if input.principal.tenant == \"u\"", true, |seen| {
        Said::if_so(seen.who.tenant == Some("u"))
    }),
    module(
        "rego:zero",
        "deny contains {\"rule\": \"zero\"} if {\n    input.access.operation == \"destructive\"\n    not \"g0\" in input.principal.groups\n}",
        true,
        |seen| Said::if_so(seen.operation == "destructive" && !seen.who.groups.contains(&"g0")),
    ),
    // A text that is no number, of a call and of a caller: it is not known what they would say.
    by_arguments("", "deny contains {\"rule\": \"large\"} if to_number(input.arguments.x) > 5", |seen| match seen.x {
        X::Text("q") => Said::Fails,
        X::Unknown | X::Missing | X::Null | X::Number(_) | X::Text(_) | X::Spelled => Said::Nothing,
    }),
    module("", "deny contains {\"rule\": \"odd\"} if to_number(input.principal.attributes.department) > 5", true, |seen| {
        if seen.who.department.is_some() { Said::Fails } else { Said::Nothing }
    }),
];
