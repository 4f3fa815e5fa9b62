//! One mistake in `yett.yaml` at a time, and what stands there when nothing is written.

use yett::config::{Loaded, Risk, State};

use super::{Folder, MINIMAL};

#[test]
fn a_port_that_the_system_gives_reaches_url_and_hosts() {
    let config = Folder::new(&MINIMAL.replace(":8080", ":0")).loaded().config;
    let bound = config.listeners[0].clone().bound_to("127.0.0.1:4321".parse().unwrap());
    assert_eq!(bound.public_url, "http://127.0.0.1:4321");
    assert_eq!(bound.allowed_hosts, ["127.0.0.1:4321", "localhost:4321", "[::1]:4321"]);
}

#[test]
fn a_listener_off_loopback_says_what_to_do() {
    let exposed = MINIMAL.replace("127.0.0.1:8080", "0.0.0.0:8080");
    assert_eq!(
        Folder::new(&exposed).errors(),
        [
            "yett.yaml:4:14 the listener at 0.0.0.0:8080 is off loopback and has no TLS",
            "yett.yaml:4:14 the listener at 0.0.0.0:8080 is off loopback and needs a `public_url`",
        ]
    );
    let with_tls = exposed.replace("servers:", "    public_url: https://mcp.example.com\n    tls: { cert: a, key: b }\nservers:");
    let errors = Folder::new(&with_tls).errors();
    assert!(errors.len() == 1 && errors[0].starts_with("yett.yaml:6:18 `") && errors[0].contains("cannot be read"), "{errors:?}");

    let accepted =
        exposed.replace("servers:", "    public_url: https://mcp.example.com\naccept_risks: [plaintext_listener]\nservers:");
    let folder = Folder::new(&accepted);
    assert_eq!(folder.warnings(), ["yett.yaml:6:16 tokens and messages cross the network unencrypted"]);
    let config = folder.loaded().config;
    assert_eq!(config.accept_risks, [Risk::PlaintextListener]);
    assert_eq!(config.listeners[0].allowed_hosts, ["mcp.example.com"]);
    assert_eq!(config.audit.origin, "mcp.example.com");
}

const URL: &str = "    url: https://crm.internal/mcp\n";

/// What is replaced in [`MINIMAL`], by what, and the one error that this makes.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("version: 1", "version: 2", "1:10 `2` is not a version that this build reads"),
    ("version: 1\n", "", "1:1 the key `version` is missing"),
    ("policies/", "nowhere/", "8:11 `nowhere/` is not a folder that can be read"),
    ("policies: policies/\n", "", "1:1 the key `policies` is missing"),
    ("127.0.0.1:8080", "localhost:8080", "4:14 `localhost:8080` is not an address"),
    ("127.0.0.1:8080", "127.0.0.1:9901", "4:14 the address 127.0.0.1:9901 is taken"),
    ("127.0.0.1:8080", "127.0.0.1:9902", "4:14 the address 127.0.0.1:9902 is taken"),
    ("servers:\n", "    servers: [crn]\nservers:\n", "5:15 no server is called `crn`"),
    ("servers:\n", "    servers: [\"*\", crm]\nservers:\n", "5:14 `*` offers every server, the others are named in vain"),
    ("servers:\n", "    servers: []\nservers:\n", "5:14 `servers` is empty"),
    ("servers:\n", "    legacy_sse: sometimes\nservers:\n", "5:17 `sometimes` is neither `true` nor `false`"),
    ("servers:\n", "    limits: { head: 4KiB }\nservers:\n", "5:21 `4KiB` is out of range"),
    ("servers:\n", "    limits: { depth: 65 }\nservers:\n", "5:22 `65` is not a whole number in range"),
    ("servers:\n", "    allowed_origins: [\"*\"]\nservers:\n", "5:23 `*` would let any page call"),
    ("servers:\n", "  - { name: local, address: 127.0.0.1:8081 }\nservers:\n", "5:13 the name `local` is given twice"),
    ("servers:\n", "  - { name: other, address: 127.0.0.1:8080 }\nservers:\n", "5:29 the address 127.0.0.1:8080 is taken"),
    ("servers:\n", "state: { url: \"postgres://yett:hunter2@db\" }\nservers:\n", "5:15 this URL names no database"),
    ("servers:\n", "state: { url: mysql://db/yett }\nservers:\n", "5:15 this is no store"),
    (
        "servers:\n",
        "state: { url: \"postgres://yett:hunter2@db/yett\" }\nservers:\n",
        "5:15 replicas that share their state need one `master_key`, and none is set",
    ),
    (
        "servers:\n",
        "state: { url: \"postgres://db/yett?ssl_mode=off\" }\nservers:\n",
        "5:15 this URL has a parameter that is none",
    ),
    ("servers:\n", "state: { url: \"postgres://db/yett?sslmode=off\" }\nservers:\n", "5:15 `sslmode` is none that there is"),
    ("servers:\n", "audit: { durability: async }\nservers:\n", "5:22 `async` may lose the records of calls that were answered"),
    ("servers:\n", "audit: { origin: ../x }\nservers:\n", "5:18 `../x` is not a name for a log"),
    ("servers:\n", "audit: { reserve: 64KiB }\nservers:\n", "5:19 `64KiB` is out of range"),
    ("servers:\n", "accept_risks: [async]\nservers:\n", "5:16 `async` is not one of the accepted words"),
    (
        "servers:\n",
        "admin: { address: 0.0.0.0:9901 }\nservers:\n",
        "5:19 the admin API at 0.0.0.0:9901 is off loopback and has no TLS",
    ),
    (
        "servers:\n",
        "identity: { api_keys: { enabled: false } }\nservers:\n",
        "5:11 nobody could ever call: there is no issuer, and API keys are off",
    ),
    (
        "servers:\n",
        "identity: { api_keys: { warn_before: 90d } }\nservers:\n",
        "5:38 a key would be warned of from its first day on",
    ),
    ("servers:\n", "identity: { api_keys: { max_age: 59m } }\nservers:\n", "5:34 `59m` is out of range"),
    ("servers:\n", "identity: { api_keys: { max_age: never } }\nservers:\n", "5:34 `never` is not a duration"),
    ("https://crm.internal/mcp", "http://169.254.169.254/", "7:10 `http://169.254.169.254/` is a link-local address"),
    ("https://crm.internal/mcp", "https://crm.internal/mcp#x", "7:10 `https://crm.internal/mcp#x` has a fragment"),
    ("  crm:\n", "  CRM:\n", "6:3 `CRM` is not a name"),
    (
        "policies:",
        "    stdio: { command: [sh] }\npolicies:",
        "8:12 a server has a `url` or is a process (`stdio`), and this one is both",
    ),
    ("policies:", "    transport: smoke\npolicies:", "8:16 `smoke` is not one of the accepted words"),
    (URL, "    stdio: { command: [sh] }\n    transport: sse\n", "8:16 `transport` is for servers with a `url`"),
    (URL, "    owner: nobody\n", "6:3 the key `url` is missing in `servers.*`"),
    (URL, "    stdio: { env: {} }\n", "7:12 the key `command` is missing in `servers.*.stdio`"),
    (URL, "    stdio: { command: [] }\n", "7:23 `command` names no program"),
    (URL, "    stdio: { command: [no-such-program] }\n", "7:24 `no-such-program` is found nowhere in the search path"),
    (URL, "    stdio: { command: [sh], env: { PATH: bin } }\n", "7:24 `sh` is found nowhere in the search path"),
    (URL, "    stdio: { command: [./server] }\n", "7:24 `./server` is not there, or cannot be looked at"),
    (URL, "    stdio: { command: [/etc] }\n", "7:24 `/etc` is not a file"),
    (URL, "    stdio: { command: [/etc/passwd] }\n", "7:24 `/etc/passwd` is not executable"),
    (URL, "    stdio: { command: [sh], per: caller }\n", "7:34 `caller` is not one of the accepted words"),
    (URL, "    stdio: { command: [sh], sha256: abc }\n", "7:37 `abc` is not a SHA-256"),
    (URL, "    stdio: { command: [sh], env: { A-B: x } }\n", "7:36 `A-B` is not a name for a variable"),
    (URL, "    stdio: { command: [sh], uid: 1001 }\n", "7:34 `uid` and `gid` belong together"),
    (URL, "    stdio: { command: [sh], uid: 0, gid: 1001 }\n", "7:34 `0` is not a whole number in range"),
    (URL, "    stdio: { command: [sh], directory: nowhere }\n", "7:40 `nowhere` is not a folder that can be entered"),
    (
        URL,
        "    stdio: { command: [sh], processes: 4 }\n",
        "7:40 `processes` is for processes of callers, and this one is shared by all",
    ),
    (URL, "    stdio: { command: [sh], limits: { files: 4 } }\n", "7:39 unknown key `files` in `servers.*.stdio.limits`"),
    (URL, "    stdio: { command: [sh] }\n    auth: { bearer: abc }\n", "8:11 `auth` is for servers with a `url`"),
    (URL, "    stdio: { command: [sh] }\n    limits: { head: 16KiB }\n", "8:21 `head` is for servers with a `url`"),
    ("policies:", "    labels: [private]\npolicies:", "8:5 `labels` is not enforced by this build yet"),
    (URL, "    stdio: { command: [sh] }\n    tls: {}\n", "8:10 `tls` is for servers with a `url`"),
    ("policies:", "    auth: {}\npolicies:", "8:11 `auth` names no credential"),
    (
        "policies:",
        "    auth: { bearer: abc, header: { name: X-Key, value: abc } }\npolicies:",
        "8:11 a server has one credential, and more are named",
    ),
    (
        "policies:",
        "    auth: { header: { name: Mcp-Method, value: abc } }\npolicies:",
        "8:29 `Mcp-Method` is a header that the gateway writes, or that belongs to one connection",
    ),
    (
        "policies:",
        "    auth: { header: { name: Cookie, value: abc } }\npolicies:",
        "8:29 `Cookie` is a header that the gateway writes, or that belongs to one connection",
    ),
    ("policies:", "    auth: { header: { name: X Key, value: abc } }\npolicies:", "8:29 `X Key` is not the name of a header"),
    (
        "policies:",
        "    auth: { basic: { username: \"a:b\", password: abc } }\npolicies:",
        "8:32 this user name holds a colon or a control character",
    ),
    (
        "policies:",
        "    auth: { client_credentials: { token_url: \"http://login.example/t\", client_id: c, client_secret: s } }\npolicies:",
        "8:46 `http://login.example/t` is not https",
    ),
    (
        "policies:",
        "    auth: { client_credentials: { token_url: \"https://x/t\", client_id: c, client_secret: s, scopes: [a b] } }\npolicies:",
        "8:102 `a b` is not a scope",
    ),
    (
        "policies:",
        "    auth: { client_credentials: { token_url: \"https://x/t\", client_id: c, client_secret: s, resource: crm } }\npolicies:",
        "8:103 `crm` is not an absolute URI",
    ),
    (
        "policies:",
        "    transport: sse\n    auth: { token_exchange: { token_url: \"https://x/t\", client_id: c, client_secret: s } }\npolicies:",
        "9:11 `token_exchange` is for Streamable HTTP, and this server is spoken to by `sse`",
    ),
    ("policies:", "    timeout: 60\npolicies:", "8:14 `60` is not a duration"),
];

/// The same in one issuer.
const ISSUER_MISTAKES: &[(&str, &str, &str)] = &[
    ("RS256", "HS256", "`HS256` is symmetric: whoever can check a token could make one"),
    ("RS256", "none", "`none` accepts forged tokens"),
    ("[RS256]", "[]", "`algorithms` is empty"),
    ("corp", "api-key", "the name `api-key` is reserved"),
    ("keys.json", "none.json", "the key set `none.json` cannot be read: No such file or directory (os error 2)"),
    ("jwks_file", "jwks_url: https://x, jwks_file", "an issuer has one key set, and two are named"),
    ("jwks_file: keys.json", "jwks_url: http://login.example/jwks", "`http://login.example/jwks` is not https"),
    ("jwks_file: keys.json", "jwks_url: https://169.254.169.254/jwks", "`https://169.254.169.254/jwks` is a link-local address"),
    ("algorithms", "ca: none.pem, algorithms", "the CA file `none.pem` cannot be read: No such file or directory (os error 2)"),
    ("algorithms", "ca: keys.json, algorithms", "the CA file `keys.json` holds no certificate in PEM form"),
    (
        "https://login.example, jwks_file: keys.json",
        "http://login.example",
        "the issuer is not https, so its keys cannot be found by discovery",
    ),
    (
        "https://login.example, jwks_file: keys.json",
        "urn:login",
        "the issuer is not an http or https URL, so its keys cannot be found by discovery",
    ),
    (
        "https://login.example, jwks_file: keys.json",
        "\"https://login.example?a\"",
        "the issuer has a query, so its keys cannot be found by discovery",
    ),
    (
        "algorithms",
        "introspection: { client_id: a, client_secret: \"${env:HOME}\" }, algorithms",
        "the key `url` is missing: an issuer whose keys are named is not asked for its metadata",
    ),
    (
        "algorithms",
        "introspection: { url: http://login.example/i, client_id: a, client_secret: \"${env:HOME}\" }, algorithms",
        "`http://login.example/i` is not https",
    ),
    (
        "algorithms",
        "introspection: { url: https://login.example/i, client_id: a, client_secret: \"${env:HOME}\", cache: 31s }, algorithms",
        "`31s` is out of range",
    ),
    (
        "algorithms",
        "introspection: { url: https://login.example/i, client_id: a, client_secret: \"${env:HOME}\", prefix: eyJh }, algorithms",
        "`eyJh` is how other tokens begin",
    ),
    (
        "algorithms",
        "introspection: { url: https://login.example/i, client_id: a, client_secret: \"${env:HOME}\", tokens: none }, algorithms",
        "`none` is not one of the accepted words",
    ),
    ("algorithms", "jwks: { refresh: 2h, stale: 1h }, algorithms", "`refresh` is longer than `stale`"),
    ("algorithms", "jwks: { cooldown: 1m, refresh: 10s }, algorithms", "`cooldown` is longer than `refresh`"),
    ("algorithms", "jwks: { stale: 25h }, algorithms", "`25h` is out of range"),
    ("algorithms", "clients: [\"\"], algorithms", "`` is not a client"),
    ("https://login.example", "http://169.254.169.254/", "`http://169.254.169.254/` is a link-local address"),
    ("algorithms", "claims: { groups: /a~2 }, algorithms", "`/a~2` has a `~` that is no escape"),
    ("algorithms", "claims: { attributes: { a-b: c } }, algorithms", "`a-b` is not a name for an attribute"),
];

#[test]
fn each_mistake_in_yett_yaml_has_its_message() {
    for (from, to, expected) in MISTAKES {
        let errors = Folder::new(&MINIMAL.replacen(from, to, 1)).errors();
        let errors: Vec<_> = errors.iter().filter(|error| error.starts_with("yett.yaml")).collect();
        assert_eq!(errors, [&format!("yett.yaml:{expected}")], "{to}");
    }
}

#[test]
fn each_mistake_in_an_issuer_has_its_message() {
    let issuer =
        "identity:\n  issuers:\n    - { name: corp, issuer: https://login.example, jwks_file: keys.json, algorithms: [RS256] }\n";
    for (from, to, expected) in ISSUER_MISTAKES {
        let yett = MINIMAL.replace("policies:", &format!("{}policies:", issuer.replacen(from, to, 1)));
        let errors = Folder::new(&yett).file("keys.json", "{\"keys\":[]}").variable("HOME", "secret").errors();
        assert!(errors.len() == 1 && errors[0].ends_with(expected), "{to}: {errors:?}");
    }
}

#[test]
fn two_issuers_are_not_asked_about_the_same_opaque_tokens() {
    let issuer = |name: &str, prefix: &str| {
        let asked = format!("introspection: {{ client_id: a, client_secret: \"${{env:HOME}}\"{prefix} }}");
        format!("    - {{ name: {name}, issuer: \"https://{name}.example\", algorithms: [RS256], {asked} }}\n")
    };
    let folder = |one: &str, other: &str| {
        let section = format!("identity:\n  issuers:\n{}{}policies:", issuer("a", one), issuer("b", other));
        let access = "version: 1\nroles: {}\n";
        let folder = Folder::new(&MINIMAL.replace("policies:", &section)).file("policies/access.yaml", access);
        folder.variable("HOME", "secret")
    };
    for (one, other) in [("", ""), (", prefix: abc", ", prefix: abc"), (", prefix: abcd", ", prefix: abc")] {
        let found = folder(one, other).errors();
        assert!(found.len() == 1 && found[0].ends_with("two issuers would be asked about the same opaque tokens"), "{found:?}");
    }
    for (one, other) in [("", ", prefix: abc"), (", prefix: abc", ", prefix: abd")] {
        assert_eq!(folder(one, other).loaded().config.identity.issuers.len(), 2, "{one}{other}");
    }
}

#[test]
fn tokens_without_a_type_are_warned_about() {
    let issuer =
        "identity: { issuers: [{ name: a, issuer: \"https://a.example\", algorithms: [RS256], token_types: [none] }] }\n";
    let folder = Folder::new(&MINIMAL.replace("policies:", &format!("{issuer}policies:")));
    let warnings = folder.warnings();
    assert!(warnings.iter().any(|warning| warning.contains("tokens that do not say what they are")), "{warnings:?}");
    let config = folder.loaded().config;
    assert!(config.identity.issuers[0].untyped && config.identity.issuers[0].token_types.is_empty());
}

#[test]
fn the_shortest_configuration_has_safe_defaults() {
    let Loaded { config, warnings } = Folder::new(MINIMAL).loaded();
    assert!(warnings.is_empty(), "{warnings}");
    let listener = &config.listeners[0];
    assert_eq!(listener.public_url, "http://127.0.0.1:8080");
    assert_eq!(listener.allowed_hosts, ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"]);
    assert!(listener.allowed_origins.is_empty());
    assert!(config.admin.ip().is_loopback() && config.health.address.ip().is_loopback());
    assert!(config.accept_risks.is_empty() && config.master_key.is_none());
    assert_eq!((config.audit.origin.as_str(), config.audit.replica.as_str()), ("127.0.0.1", "r1"));
    assert_eq!(config.policy.roles.len(), 1);
    assert!(config.policy.dlp.is_none() && config.policy.injection.is_none());
    assert_eq!((config.hash.len(), config.policy.hash.len()), (64, 64));
}

#[test]
fn receipts_need_answers_that_wait_for_their_records() {
    let asked = super::server_with("    receipts: true\n");
    assert!(Folder::new(&asked).loaded().config.servers[0].receipts);
    let unwaited = asked.replace("servers:\n", "accept_risks: [async_audit]\naudit: { durability: async }\nservers:\n");
    let errors = Folder::new(&unwaited).errors();
    assert!(errors.len() == 1 && errors[0].contains("`receipts` name records that are on disk"), "{errors:?}");
}

#[test]
fn short_lived_api_keys_are_warned_of_for_half_of_their_life_and_long_lived_ones_are_worth_a_warning() {
    let rules = |written: &str| {
        let folder = Folder::new(&MINIMAL.replace("servers:", &format!("identity: {{ api_keys: {written} }}\nservers:")));
        (folder.loaded().config.identity.api_keys, folder.warnings().len())
    };
    let day = std::time::Duration::from_hours(24);
    let (unsaid, _) = rules("{}");
    assert_eq!((unsaid.enabled, unsaid.max_age, unsaid.warn_before), (true, 90 * day, 14 * day));
    assert_eq!(rules("{ max_age: 8d }").0.warn_before, 4 * day);
    assert_eq!(rules("{ max_age: 8d, warn_before: 1d }").0.warn_before, day);
    assert_eq!((rules("{ max_age: 366d }").1, rules("{ max_age: 367d }").1), (0, 1));
}

#[test]
fn a_database_off_loopback_is_verified_unless_somebody_says_otherwise() {
    let found = |url: &str| {
        let key = "0123456789abcdef0123456789abcdef";
        let state = format!("state: {{ url: \"{url}\" }}\nmaster_key: {key}\nservers:");
        let folder = Folder::new(&MINIMAL.replace("servers:", &state));
        let warned = folder.warnings().iter().any(|warning| warning.contains("nobody checks whose database this is"));
        let State::Postgres(url) = folder.loaded().config.state else { panic!("not Postgres") };
        assert!(!format!("{url:?}").contains("hunter2"));
        (url.expose().clone(), warned)
    };
    for (url, effective, warned) in [
        ("postgres://yett:hunter2@db/yett", "postgres://yett:hunter2@db/yett?sslmode=verify-full", false),
        ("postgres://db/yett?user=yett", "postgres://db/yett?user=yett&sslmode=verify-full", false),
        ("postgres:///yett?host=db", "postgres:///yett?host=db&sslmode=verify-full", false),
        ("postgres://db/yett?sslmode=verify-ca", "postgres://db/yett?sslmode=verify-ca", false),
        ("postgres://db/yett?sslmode=require", "postgres://db/yett?sslmode=require", true),
        ("postgres://127.0.0.1/yett", "postgres://127.0.0.1/yett", false),
        ("postgresql:///yett?host=/run/postgresql", "postgresql:///yett?host=/run/postgresql", false),
    ] {
        assert_eq!(found(url), (effective.to_owned(), warned), "{url}");
    }
}
