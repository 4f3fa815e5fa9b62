//! Who asks, and what for.

use yett::decide::Caller;
use yett::protocol::{Access, Asked, ListKind, Method, Shape, Target, Task};

use super::words::{NO_TOOL, PROMPTS, TOOLS, URIS, VENDOR};

/// A caller, as their credential has them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Who {
    pub(in super::super) issuer: &'static str,
    pub(in super::super) subject: &'static str,
    pub(in super::super) client: Option<&'static str>,
    pub(in super::super) tenant: Option<&'static str>,
    pub(in super::super) region: Option<&'static str>,
    pub(in super::super) groups: Vec<&'static str>,
    pub(in super::super) claimed_roles: Vec<&'static str>,
    pub(in super::super) department: Option<&'static str>,
    /// Whether their token has the scope `s`; `None`: they have shown no token.
    pub(in super::super) scoped: Option<bool>,
    /// The one server that their credential is for.
    pub(in super::super) only: Option<&'static str>,
}

/// The same as decisions see it: owned.
pub(in super::super) struct Known {
    who: Who,
    groups: Vec<String>,
    claimed_roles: Vec<String>,
    attributes: Vec<(String, String)>,
    scopes: Option<Vec<String>>,
    servers: Option<Vec<String>>,
}

impl Who {
    /// Where issuers have all this.
    pub(in super::super) const CLAIMS: &str = "claims: { subject: sub, groups: groups, roles: roles, tenant: tenant, region: country, attributes: { department: department } }";

    pub(in super::super) fn known(&self) -> Known {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Known {
            who: self.clone(),
            groups: owned(&self.groups),
            claimed_roles: owned(&self.claimed_roles),
            attributes: self.department.iter().map(|&value| ("department".to_owned(), value.to_owned())).collect(),
            scopes: self.scoped.map(|scoped| owned(if scoped { &["s"] } else { &[] })),
            servers: self.only.map(|server| owned(&[server])),
        }
    }
}

impl Known {
    pub(in super::super) fn caller(&self) -> Caller<'_> {
        let Who { issuer, subject, client, tenant, region, .. } = self.who;
        Caller {
            issuer,
            subject,
            authn: "jwt",
            client,
            tenant,
            region,
            groups: &self.groups,
            claimed_roles: &self.claimed_roles,
            attributes: &self.attributes,
            scopes: self.scopes.as_deref(),
            servers: self.servers.as_deref(),
        }
    }
}

pub(in super::super) fn access(method: Method, target: Target) -> Access {
    Access { method, target, shape: Shape::Request, answers: false, task: false }
}

/// Everything that can be asked here.
pub(in super::super) fn everything() -> Vec<Access> {
    let mut all = vec![
        access(Method::ToolsList, Target::None),
        access(Method::Push, Target::Session),
        access(Method::Listen, Target::Listen { resources: Vec::new(), lists: vec![ListKind::Tools], tasks: Vec::new() }),
        access(Method::Other, Target::Method(VENDOR.to_owned())),
        access(Method::Other, Target::Method("vendor/y".to_owned())),
        // Of another revision.
        access(Method::TasksList, Target::Method("tasks/list".to_owned())),
        access(Method::Answer, Target::Answer(Asked::Elicitation)),
        access(Method::Answer, Target::Answer(Asked::Sampling)),
    ];
    for tool in TOOLS.into_iter().chain([NO_TOOL]) {
        all.push(access(Method::ToolsCall, Target::Tool(tool.to_owned())));
        let task = || Target::Task(Task { shown: "s".to_owned(), id: "i".to_owned(), tool: tool.to_owned() });
        let about = [Method::TasksGet, Method::TasksResult, Method::TasksUpdate, Method::TasksCancel];
        all.extend(about.map(|method| access(method, task())));
    }
    for prompt in PROMPTS {
        let methods = [Method::PromptsGet, Method::Complete];
        all.extend(methods.map(|method| access(method, Target::Prompt(prompt.to_owned()))));
    }
    for uri in URIS {
        let methods = [Method::ResourcesRead, Method::ResourcesSubscribe, Method::ResourcesUnsubscribe, Method::Complete];
        all.extend(methods.map(|method| access(method, Target::Resource(uri.text.to_owned()))));
    }
    all
}
