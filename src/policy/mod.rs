//! Policy *documents*: what `policies/*.yaml` may say, checked. Evaluates nothing.
//!
//! The files of one folder are one policy: lists join; a name given twice, or a single-valued key in two files, is an error.
//! Engines (`decide`, `layers/dlp`, `layers/injection`) turn this into what they run on, once, at load.

mod alerts;
pub mod arguments;
mod bindings;
mod cases;
mod checks;
pub mod condition;
mod dlp;
mod document;
mod exceptions;
mod fields;
mod folder;
mod injection;
mod limits;
mod origin;
mod patterns;
#[cfg_attr(not(feature = "rego"), path = "no_rego.rs")]
mod rego;
mod results;
mod roles;
mod rules;
mod sections;
mod tenants;

use std::sync::Arc;

pub use alerts::{AlertRule, AlertSeverity, Measure, Most, Per, Quarantined};
pub use arguments::ArgumentRules;
pub use cases::{Asks, Case, CaseCaller, Effect, Expectation};
pub use condition::Condition;
pub use document::{Known, LooksBy, hash_of_folder, read_detectors, read_folder};
pub use exceptions::{Exception, On};
pub use fields::{Along, FieldPath};
pub(crate) use folder::paths;
pub use injection::{Injection, InjectionFor, Surface, Thresholds};
pub use limits::{Allowance, Dimension, Limit, Rate, Repeats};
pub use origin::Origin;
pub use rego::Modules;
#[cfg(feature = "rego")]
pub use rego::Unsaid;
pub use results::{Over, ResultLimit};
pub use tenants::{Tenant, Tenants, tenant, tenants};

use crate::scan::injection::RuleSet;
use crate::scan::{Catalogue, NotCompiled, Own};

/// The issuer of callers without a credential, and their subject.
pub const ANONYMOUS: &str = "anonymous";

/// Everything the policy folder says.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Roles by name, in file order.
    pub roles: Vec<Role>,
    /// Who holds which role.
    pub bindings: Vec<Binding>,
    /// What is taken away again, in file order.
    pub rules: Vec<Rule>,
    /// Rego modules, which take away as well.
    pub modules: Option<Arc<Modules>>,
    /// How much callers may do.
    pub limits: Vec<Limit>,
    /// How large results may be, in file order.
    pub results: Vec<ResultLimit>,
    /// What counts as sensitive. `None`: secrets are blocked in requests and masked in replies, nothing else.
    pub dlp: Option<Dlp>,
    /// What a sign of injection does. `None`: requests log, results label, definitions quarantine.
    pub injection: Option<Injection>,
    /// Where that is something else, in file order: of several entries for one surface the last.
    pub injection_for: Vec<InjectionFor>,
    /// Rules of the injection scan that are recorded and not acted on.
    pub injection_shadow: Vec<String>,
    /// What in the log is worth waking somebody for, in file order.
    pub alerts: Vec<Arc<AlertRule>>,
    /// Findings that are not acted on, in file order.
    pub exceptions: Vec<Exception>,
    /// What is to become of some accesses, in file order.
    pub cases: Vec<Case>,
    /// The detectors to choose from, where some are the policy's own. `None`: those of this build.
    pub detectors: Option<Arc<Catalogue>>,
    /// The rules of the injection scan, where some are the policy's own. `None`: those of this build.
    pub rules_of_scan: Option<Arc<RuleSet>>,
    /// SHA-256 over the files' names and bytes, in name order; lower-case hex.
    pub hash: String,
}

impl Policy {
    /// The detectors to choose from.
    ///
    /// # Errors
    /// A file of this build is broken, which its tests exclude.
    pub fn catalogue(&self) -> Result<&Catalogue, NotCompiled> {
        match &self.detectors {
            Some(own) => Ok(own),
            None => Catalogue::built_in().map(|built_in| &**built_in).map_err(Clone::clone),
        }
    }

    /// Whether messages are scanned by both alike: what one was chosen for need not be chosen again for the other.
    pub(crate) fn scans_like(&self, other: &Self) -> bool {
        self.dlp == other.dlp
            && self.detectors == other.detectors
            && self.rules_of_scan == other.rules_of_scan
            && self.injection == other.injection
            && self.injection_for == other.injection_for
            && self.injection_shadow == other.injection_shadow
            && self.exceptions == other.exceptions
    }
}

/// A named set of grants.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Roles whose grants it has as well; known to exist, and without a cycle.
    pub inherits: Vec<String>,
    /// What it may do.
    pub allow: Vec<Grant>,
    /// Where it is written.
    pub origin: Origin,
}

/// What a role may do on some servers. Each list holds globs: `*` stops at `/`, `**` does not.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Server names, or `*`.
    pub servers: Vec<String>,
    /// Tool names.
    pub tools: Vec<String>,
    /// Prompt names.
    pub prompts: Vec<String>,
    /// Resource URIs.
    pub resources: Vec<String>,
    /// Extension methods, exact.
    pub methods: Vec<String>,
    /// What these servers may ask of this role's clients.
    pub server_requests: Vec<ServerRequest>,
    /// Scopes that a caller's token must hold, all of them, for any of this.
    pub scopes: Vec<String>,
    /// What the arguments of its tools and prompts must be like.
    pub arguments: Option<ArgumentRules>,
    /// Where it is written.
    pub origin: Origin,
}

/// What a server may ask of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRequest {
    /// The user's input, by a form.
    Elicitation,
    /// The roots of the client's file system.
    Roots,
    /// The client's model.
    Sampling,
}

/// Gives a role to callers. Keys are joined by AND, the values of one key by OR; at least one key is present.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// The role; known to exist.
    pub role: String,
    /// Issuer names (`api-key` for API keys).
    pub issuers: Vec<String>,
    /// Subjects as the issuer calls them.
    pub subjects: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles the token claims.
    pub claimed_roles: Vec<String>,
    /// OAuth clients.
    pub clients: Vec<String>,
    /// Tenants.
    pub tenants: Vec<String>,
    /// The tenants that its file is for.
    pub within: Tenants,
    /// Where it is written.
    pub origin: Origin,
}

/// Takes something away from everybody it applies to.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What.
    pub deny: Selector,
    /// Applies only where this holds.
    pub when: Option<Condition>,
    /// Applies only where this does not hold.
    pub unless: Option<Condition>,
    /// The only text of it that its callers see.
    pub reason: Option<String>,
    /// Decides and records, but lets through (`mode: shadow` of the rule or its file).
    pub shadow: bool,
    /// The tenants that its file is for.
    pub within: Tenants,
    /// Where it is written.
    pub origin: Origin,
}

/// What a rule is about. Without `tools`, `prompts`, `resources` and `methods` it is all of them.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Server names, or `*`.
    pub servers: Vec<String>,
    /// Only servers of these regions; empty means wherever they are.
    pub regions: Vec<String>,
    /// Tool names, globs; compared without regard to ASCII case.
    pub tools: Vec<String>,
    /// Prompt names, globs.
    pub prompts: Vec<String>,
    /// Resource URIs, globs.
    pub resources: Vec<String>,
    /// Extension methods, exact.
    pub methods: Vec<String>,
    /// Only what does one of these; empty means whatever it does.
    pub operations: Vec<Operation>,
}

/// What using a tool does, by the operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Nothing but look.
    Read,
    /// It changes something; what nothing is said of does too.
    #[default]
    Write,
    /// It changes what cannot be changed back.
    Destructive,
}

impl Operation {
    /// The words of the documents.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("read", Self::Read), ("write", Self::Write), ("destructive", Self::Destructive)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
        }
    }
}

/// How sensitive a thing is, and how sensitive a thing somebody may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Classification {
    /// Anybody.
    Public,
    /// The company.
    #[default]
    Internal,
    /// Some of it.
    Confidential,
    /// Few.
    Restricted,
}

impl Classification {
    /// The words of the documents, from the least to the most sensitive.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("public", Self::Public),
        ("internal", Self::Internal),
        ("confidential", Self::Confidential),
        ("restricted", Self::Restricted),
    ];
}

impl Classification {
    /// All of them, least first.
    pub const ALL: [Self; 4] = [Self::Public, Self::Internal, Self::Confidential, Self::Restricted];

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// What counts as sensitive, and what happens to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dlp {
    /// Clearance of a caller nothing else is known of.
    pub default_clearance: Classification,
    /// The attribute that names a caller's clearance (`principal.attributes.<this>`).
    pub clearance_attribute: Option<String>,
    /// Rules, in file order.
    pub rules: Vec<DlpRule>,
    /// Where tokens become values again, in file order.
    pub restore: Vec<Restore>,
    /// What becomes of what cannot be read.
    pub unread: Unread,
}

/// What becomes of what no detector can read: images, sounds, documents, and what is compressed to a small part of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Whether it is refused; else it passes. Either is recorded.
    pub blocks: bool,
    /// Media types that pass all the same: `image/png`, `image/*`.
    pub pass: Vec<String>,
    /// What is larger is refused, whatever it is: in bytes, decoded.
    pub size: Option<usize>,
}

/// One kind of sensitive text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlpRule {
    /// Its name.
    pub name: String,
    /// Detectors by class, kind or id, known to exist: `secrets`, `card`, `github-pat-classic`.
    pub detect: Vec<String>,
    /// Words or a pattern of its own.
    pub own: Option<Arc<Own>>,
    /// Applies when this is above the receiver's clearance; without one, always.
    pub sensitivity: Option<Classification>,
    /// Applies to requests.
    pub requests: bool,
    /// Applies to replies and what servers originate.
    pub responses: bool,
    /// Applies to these servers; empty means all.
    pub servers: Vec<String>,
    /// Applies to calls of these tools and their replies, globs; empty means everything.
    pub tools: Vec<String>,
    /// Applies to what stands in these fields of arguments and results; empty means everywhere.
    pub fields: Vec<FieldPath>,
    /// What happens to a match.
    pub action: DlpAction,
    /// Of which purpose its tokens and hashes are.
    pub purpose: String,
    /// Decides and records, but lets through (`mode: shadow` of the rule or its file).
    pub shadow: bool,
}

/// What happens to sensitive text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DlpAction {
    /// The message is refused.
    Block,
    /// A keyed hash takes its place, the same one for the same value.
    Hash,
    /// It is recorded.
    Log,
    /// A placeholder takes its place.
    Mask,
    /// A placeholder that shows the last of it takes its place.
    Partial,
    /// A token takes its place, the same one for the same value.
    Tokenize,
}

/// Gives a server the values behind tokens. All keys are joined by AND, the values of one key by OR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Tokens of this purpose; some rule makes them.
    pub purpose: String,
    /// In calls to these servers.
    pub servers: Vec<String>,
    /// Of these tools, globs.
    pub tools: Vec<String>,
    /// By callers to whom a binding gives one of these roles; known to exist. Roles that inherit from them do not count.
    pub roles: Vec<String>,
    /// In these arguments, by their names at the top level; empty means all.
    pub arguments: Vec<String>,
}
