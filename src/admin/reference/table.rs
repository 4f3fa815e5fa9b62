//! Every operation of the admin API, one entry each. A test holds the table against the routes, and answers against its schemas.

use utoipa::openapi::path::HttpMethod;

/// One method of one path.
pub(super) struct Entry {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    /// Its name for programs.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Parameters of the query, and what they are.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of its body, if it has one.
    pub(super) body: Option<&'static str>,
    /// Status and schema of a good answer.
    pub(super) answer: (&'static str, &'static str),
    /// Refusals that are its own: 401 has everyone, 403 everyone that is not for auditors, 503 everyone that
    /// changes or records something.
    pub(super) refusals: &'static [(&'static str, &'static str)],
    /// Whether auditors of one tenant may ask it too; nobody else may but operators.
    pub(super) for_auditors: bool,
}

const REQUESTER: (&str, &str) = ("requester", "who asks, for the record; `admin` if nobody says");
const BAD: (&str, &str) = ("400", "a parameter or a member of the body is not as described");
const FORM: (&str, &str) = ("422", "the body is JSON of another form");
const NO_PERSON: (&str, &str) = ("404", "nobody is known by this name");

const fn get(path: &'static str, id: &'static str, summary: &'static str, answer: &'static str) -> Entry {
    let (query, refusals) = (&[], &[]);
    Entry {
        method: HttpMethod::Get,
        path,
        id,
        summary,
        query,
        body: None,
        answer: ("200", answer),
        refusals,
        for_auditors: false,
    }
}

const fn post(path: &'static str, id: &'static str, summary: &'static str, body: &'static str, answer: &'static str) -> Entry {
    let (method, refusals) = (HttpMethod::Post, &[BAD, FORM]);
    Entry { method, path, id, summary, query: &[], body: Some(body), answer: ("200", answer), refusals, for_auditors: false }
}

const SEARCH: &[(&str, &str)] = &[
    ("since", "from this moment on: RFC 3339, or how long ago (`1h`)"),
    ("until", "before this moment"),
    ("kind", "kinds of records; may be repeated"),
    ("principal", "the pseudonym of a caller"),
    ("issuer", "the name of an issuer, of the records that name their caller"),
    ("tenant", "the name of a tenant, of the records that name their caller"),
    ("server", "the server"),
    ("tool", "the tool"),
    ("effect", "`allow` or `deny`"),
    ("rule", "the role or rule that decided"),
    ("finding", "a finding of this rule"),
    ("call", "the id of a call"),
    ("session", "the id of a session"),
    ("trace", "the id of a trace"),
    ("order", "`newest` or `oldest` first"),
    ("limit", "records on a page"),
    ("after", "`next` of the page before"),
    ("count", "`true`: how many there are in all"),
];

const SWITCH: &[(&str, &str)] = &[REQUESTER, ("reason", "why, for the record and for whoever looks")];

const DEFINITION: &[(&str, &str)] = &[
    ("definition", "its SHA-256 in hexadecimal, or eight or more of the first digits"),
    REQUESTER,
    ("reason", "why, for the record and for whoever looks; it has to be there, but to revoke"),
];

const FORGET: &[(&str, &str)] = &[REQUESTER, ("reason", "why, for the record; it has to be there")];

/// All of them, in the order of the page.
pub(super) const ENTRIES: &[Entry] = &[
    get("/v1/keys", "listKeys", "API keys, without their secrets", "Keys"),
    Entry {
        answer: ("201", "MadeKey"),
        ..post("/v1/keys", "createKey", "Make an API key; its secret is told once", "NewKey", "MadeKey")
    },
    Entry {
        answer: ("201", "MadeKey"),
        refusals: &[BAD, FORM, ("404", "there is no such key"), ("409", "the key is revoked, expired or was changed meanwhile")],
        ..post("/v1/keys/{id}/rotate", "rotateKey", "Give a key another secret", "Rotation", "MadeKey")
    },
    Entry {
        method: HttpMethod::Delete,
        query: &[REQUESTER],
        refusals: &[BAD, ("404", "there is no such key"), ("409", "the key is revoked already")],
        ..get("/v1/keys/{id}", "revokeKey", "Take a key away for good", "OneKey")
    },
    get("/v1/accounts", "listAccounts", "Accounts that callers have connected, without their tokens", "Accounts"),
    Entry {
        method: HttpMethod::Delete,
        query: &[REQUESTER],
        refusals: &[BAD, ("404", "there is no such account")],
        ..get("/v1/accounts/{id}", "revokeAccount", "Take a connected account away, and give its tokens back", "OneAccount")
    },
    get("/v1/switches", "listSwitches", "What is stopped", "Switches"),
    Entry {
        method: HttpMethod::Put,
        query: SWITCH,
        refusals: &[BAD, ("404", "nothing of this name is configured")],
        ..get("/v1/switches/{name}", "stop", "Stop calls at once", "Switches")
    },
    Entry {
        method: HttpMethod::Delete,
        query: SWITCH,
        refusals: &[BAD, ("404", "nothing of this name is configured, or stopped")],
        ..get("/v1/switches/{name}", "goOn", "Let calls go on", "Switches")
    },
    Entry {
        query: &[("server", "of this server alone")],
        refusals: &[BAD],
        ..get(
            "/v1/quarantine",
            "listQuarantine",
            "Definitions that were withheld since the start, and those that are approved",
            "Quarantine",
        )
    },
    Entry {
        method: HttpMethod::Put,
        query: DEFINITION,
        refusals: &[BAD, ("404", "no server has this name, or no definition of this tool that was withheld begins so")],
        ..get("/v1/quarantine/{server}/{tool}", "approveDefinition", "Let one definition of a tool pass", "Quarantine")
    },
    Entry {
        method: HttpMethod::Delete,
        query: DEFINITION,
        refusals: &[BAD, ("404", "no approved definition of this tool begins so")],
        ..get("/v1/quarantine/{server}/{tool}", "revokeDefinition", "Let it pass no more", "Quarantine")
    },
    Entry {
        method: HttpMethod::Delete,
        query: FORGET,
        refusals: &[BAD, ("404", "nothing of this server is withheld")],
        ..get(
            "/v1/withheld/{server}",
            "forgetServer",
            "Forget what was withheld of a server, until it is seen again",
            "Quarantine",
        )
    },
    Entry {
        method: HttpMethod::Delete,
        query: DEFINITION,
        refusals: &[BAD, ("404", "no definition of this tool is withheld, or none that begins so")],
        ..get("/v1/withheld/{server}/{tool}", "forgetTool", "The same for one tool, or for one definition of it", "Quarantine")
    },
    Entry {
        body: None,
        refusals: &[
            ("409", "something was changed that is read at a start only, or there is no file"),
            ("422", "the configuration or a policy is wrong"),
        ],
        ..post("/v1/reload", "reload", "Read the configuration and the policies again; whole, or not at all", "", "Reloaded")
    },
    Entry {
        query: SEARCH,
        refusals: &[BAD, ("404", "this gateway keeps no index (`audit.index`)")],
        for_auditors: true,
        ..get(
            "/v1/audit/search",
            "searchAudit",
            "Search the audit log, an auditor what is about their tenant; the search is a record itself",
            "Page",
        )
    },
    Entry {
        refusals: &[BAD, FORM, ("409", "a legal hold, or the clock, forbids it")],
        ..post(
            "/v1/audit/prune",
            "pruneAudit",
            "Remove the oldest segments of the log, or say what would be removed",
            "Prune",
            "Pruned",
        )
    },
    Entry {
        refusals: &[BAD, FORM, NO_PERSON, ("409", "somebody is under a legal hold")],
        ..post("/v1/vault/erase", "erase", "Erase who stands behind a caller's pseudonyms", "Order", "Pseudonyms")
    },
    Entry {
        refusals: &[BAD, FORM, NO_PERSON],
        ..post("/v1/vault/hold", "hold", "Put a caller under a legal hold", "Order", "Pseudonyms")
    },
    Entry {
        refusals: &[BAD, FORM, NO_PERSON],
        ..post("/v1/vault/release", "release", "End a legal hold", "Order", "Pseudonyms")
    },
    Entry {
        refusals: &[FORM, ("409", "the clock is not to be trusted")],
        ..post("/v1/vault/expire", "expire", "Destroy keys of the vault whose time is over", "Expire", "Expired")
    },
    post("/v1/vault/reveal", "reveal", "Who stands behind pseudonyms", "Reveal", "Revealed"),
    post("/v1/vault/pseudonyms", "pseudonyms", "Under which names a caller stands in the log", "Person", "Pseudonyms"),
    Entry {
        refusals: &[BAD, FORM, ("404", "nothing was kept of this call")],
        ..post("/v1/vault/content", "content", "What was kept of a call's arguments", "Call", "Contents")
    },
    Entry {
        refusals: &[BAD, FORM, NO_PERSON],
        ..post("/v1/vault/export", "exportPerson", "What the logs hold about a caller, counted", "Person", "Exported")
    },
    Entry {
        refusals: &[BAD, FORM, ("404", "there is no token of that issuer, tenant and purpose")],
        ..post("/v1/vault/token/reveal", "revealToken", "The value behind a token", "Token", "TokenValue")
    },
    Entry {
        refusals: &[BAD, FORM, ("404", "there is no token of that issuer, tenant and purpose")],
        ..post("/v1/vault/token/forget", "forgetToken", "Destroy what leads from a token to its value", "Token", "TokenRow")
    },
    Entry {
        for_auditors: true,
        ..get("/v1/openapi.json", "openapi", "This document; as a page it is at `/docs`, for operators", "Document")
    },
];
