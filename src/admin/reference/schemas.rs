//! What bodies and answers look like.

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

type Member = (&'static str, RefOr<Schema>);

/// Every schema by its name.
pub(super) fn all() -> Vec<(&'static str, RefOr<Schema>)> {
    let mut all = requests();
    all.extend(answers());
    all
}

fn requests() -> Vec<(&'static str, RefOr<Schema>)> {
    let requester = || ("requester", about(text(), "who asks, for the record; `admin` if nobody says"));
    let person = || [("issuer", text()), ("subject", text())];
    vec![
        (
            "NewKey",
            closed(
                &["subject"],
                [
                    ("subject", about(text(), "whose key it is; 1 to 256 printable characters")),
                    ("groups", list(text())),
                    ("roles", about(list(text()), "matched by `claimed_roles`")),
                    ("tenant", text_or_null()),
                    ("servers", about(list(text()), "for these servers only; for all when empty")),
                    ("expires", moment_or_null()),
                    requester(),
                ],
            ),
        ),
        (
            "Rotation",
            closed(
                &[],
                [
                    ("overlap", about(count(), "seconds for which the secret before is still good; at most 90 days")),
                    ("expires", moment_or_null()),
                    requester(),
                ],
            ),
        ),
        (
            "Prune",
            closed(
                &[],
                [
                    ("before", about(moment_or_null(), "what is older than this; by default what `audit.retention` says")),
                    ("from", about(count_or_null(), "the first record that is there now, where it is known")),
                    ("apply", about(boolean(), "remove it; else only say what would be removed")),
                    ("trust_clock", boolean()),
                    requester(),
                ],
            ),
        ),
        (
            "Order",
            closed(
                &["issuer", "subject", "basis", "approver"],
                person().into_iter().chain([("basis", about(text(), "on what grounds")), ("approver", text()), requester()]),
            ),
        ),
        ("Expire", closed(&[], [("trust_clock", boolean()), requester()])),
        ("Reveal", closed(&["pseudonyms"], [("pseudonyms", about(list(text()), "at most 1000")), requester()])),
        ("Person", closed(&["issuer", "subject"], person().into_iter().chain([requester()]))),
        ("Call", closed(&["call"], [("call", about(text(), "the id of the call, as in `Yett-Call`")), requester()])),
        (
            "Token",
            closed(
                &["issuer", "purpose", "token"],
                [("issuer", text()), ("tenant", text_or_null()), ("purpose", text()), ("token", text()), requester()],
            ),
        ),
    ]
}

fn answers() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("Problem", closed(&["error"], [("error", about(text(), "what is wrong, for people"))])),
        ("Key", key()),
        ("Keys", whole([("keys", list(named("Key")))])),
        ("OneKey", whole([("key", named("Key"))])),
        ("MadeKey", whole([("key", named("Key")), ("secret", about(text(), "the secret, told this once"))])),
        (
            "Account",
            whole([
                ("id", text()),
                ("issuer", text()),
                ("subject", text()),
                ("tenant", text_or_null()),
                ("server", text()),
                ("scopes", list(text())),
                ("connected", moment()),
                ("renewed", moment_or_null()),
            ]),
        ),
        ("Accounts", whole([("accounts", list(named("Account")))])),
        ("OneAccount", whole([("account", named("Account"))])),
        (
            "Switches",
            whole([
                (
                    "on",
                    about(
                        list(text()),
                        "`all`, `server:NAME`, `tool:SERVER/TOOL`, `principal:ISSUER/SUBJECT`, `tenant:ISSUER/TENANT`, `session:DIGITS`",
                    ),
                ),
                ("switches", list(whole([("name", text()), ("reason", text_or_null()), ("known", boolean())]))),
            ]),
        ),
        ("Quarantine", quarantine()),
        (
            "Reloaded",
            whole([
                ("configuration", about(text(), "SHA-256 of the configuration's text, hex")),
                ("policy", about(text(), "hash of the policies")),
                ("mode", about(text(), "the log's durability")),
                ("changed", boolean()),
            ]),
        ),
        (
            "Page",
            closed(
                &["records", "next", "indexed", "log", "damaged"],
                [
                    ("records", list(anything())),
                    ("next", about(count_or_null(), "what to give as `after` for the next page")),
                    ("indexed", about(count_or_null(), "how many records the index knows; not for auditors")),
                    ("log", about(count_or_null(), "how many there are; not for auditors")),
                    ("behind", about(boolean(), "for auditors: whether the log has records that the index does not know yet")),
                    ("damaged", count_or_null()),
                    ("count", whole([("records", count()), ("stand_for", count())])),
                ],
            ),
        ),
        (
            "Pruned",
            closed(
                &["removal", "record", "stopped", "more"],
                [("removal", removal()), ("record", count_or_null()), ("stopped", text()), ("more", boolean())],
            ),
        ),
        ("Pseudonyms", whole([("pseudonyms", list(text()))])),
        ("Expired", whole([("month", text_or_null()), ("keys", count()), ("tokens", count())])),
        ("Revealed", whole([("revealed", about(anything(), "by pseudonym: `issuer` and `subject`"))])),
        ("Contents", whole([("contents", list(whole([("kind", text()), ("sha256", text()), ("text", text())])))])),
        (
            "Exported",
            whole([
                ("pseudonyms", list(text())),
                ("logs", list(whole([("log", text()), ("records", count()), ("root", text()), ("size", count())]))),
            ]),
        ),
        ("TokenValue", whole([("value", text())])),
        ("TokenRow", whole([("row", text())])),
        ("Document", anything()),
    ]
}

fn key() -> RefOr<Schema> {
    let former = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("until", moment())
        .property("last_used", moment_or_null());
    let status = ["active", "due", "expired", "revoked", "too_old"];
    closed(
        &["id", "prefix", "status", "subject", "groups", "roles", "tenant", "servers", "created", "expires", "end"],
        [
            ("id", text()),
            ("prefix", about(text(), "how its secret begins")),
            (
                "status",
                RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(status)).build())),
            ),
            ("subject", text()),
            ("groups", list(text())),
            ("roles", list(text())),
            ("tenant", text_or_null()),
            ("servers", nullable(Type::Array)),
            ("created", moment()),
            ("expires", moment_or_null()),
            ("end", about(moment_or_null(), "from when on it is refused, by its age or its end")),
            ("rotated", moment_or_null()),
            ("last_used", moment_or_null()),
            ("former_secret", RefOr::T(Schema::Object(former.build()))),
            ("revoked", moment()),
        ],
    )
}

fn quarantine() -> RefOr<Schema> {
    let hash = || {
        about(text_or_null(), "SHA-256 of all that the entry says; null for those of a tool that are too many to be told apart")
    };
    let held = [
        ("server", text()),
        ("tool", about(text_or_null(), "null for all further tools of a server that has shown more than are remembered")),
        ("definition", hash()),
        ("text", about(text_or_null(), "all that it says, as the JSON that was hashed; null where there was no room to keep it")),
        ("rules", list(text())),
        ("since", about(text_or_null(), "when it was first seen; null where that is not known")),
        ("last", about(text_or_null(), "and when last")),
        ("approved", boolean()),
    ];
    let approval =
        [("server", text()), ("tool", text()), ("definition", text()), ("by", text()), ("reason", text()), ("at", moment())];
    let in_force =
        about(boolean(), "false while a state store that replicas share is out of reach: then no approval is in force");
    whole([("withheld", list(whole(held))), ("approvals", list(whole(approval))), ("approvals_hold", in_force)])
}

fn removal() -> RefOr<Schema> {
    let mut removal = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Object, Type::Null]));
    for name in ["from", "to", "segments", "bytes"] {
        removal = removal.property(name, count());
    }
    removal = removal.property("oldest", anything()).property("newest", anything()).property("root", text());
    RefOr::T(Schema::Object(removal.build()))
}

/// An object with all of these members and no other.
fn whole<const N: usize>(members: [Member; N]) -> RefOr<Schema> {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    closed(&required, members)
}

/// An object with no other members.
fn closed(required: &[&str], members: impl IntoIterator<Item = Member>) -> RefOr<Schema> {
    let mut object =
        ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for (name, schema) in members {
        object = object.property(name, schema);
        if required.contains(&name) {
            object = object.required(name);
        }
    }
    RefOr::T(Schema::Object(object.build()))
}

fn about(schema: RefOr<Schema>, text: &str) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = Some(text.to_owned());
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.description = Some(text.to_owned());
            RefOr::T(Schema::Array(array))
        }
        other @ (RefOr::Ref(_) | RefOr::T(_)) => other,
    }
}

fn named(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn list(of: RefOr<Schema>) -> RefOr<Schema> {
    RefOr::T(Schema::Array(ArrayBuilder::new().items(of).build()))
}

fn of(kind: impl Into<SchemaType>) -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(kind).build()))
}

fn nullable(kind: Type) -> RefOr<Schema> {
    of(SchemaType::from_iter([kind, Type::Null]))
}

fn text() -> RefOr<Schema> {
    of(Type::String)
}

fn text_or_null() -> RefOr<Schema> {
    nullable(Type::String)
}

fn moment() -> RefOr<Schema> {
    about(text(), "RFC 3339, UTC")
}

fn moment_or_null() -> RefOr<Schema> {
    about(text_or_null(), "RFC 3339, UTC")
}

fn count() -> RefOr<Schema> {
    of(Type::Integer)
}

fn count_or_null() -> RefOr<Schema> {
    nullable(Type::Integer)
}

fn boolean() -> RefOr<Schema> {
    of(Type::Boolean)
}

fn anything() -> RefOr<Schema> {
    of(Type::Object)
}
