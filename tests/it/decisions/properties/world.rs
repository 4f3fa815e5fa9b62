//! A configuration with its policies: what it says, and how it is written.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::accesses::Who;
use super::words::{CONDITIONS, MODULES, URI_PATTERNS};

/// Issuers, servers and policies.
#[derive(Clone, Debug)]
pub(in super::super) struct World {
    pub(in super::super) issuers: Vec<&'static str>,
    pub(in super::super) places: Vec<Place>,
    /// Each stands in the file of its number, or what is left of it when divided by how many there are.
    pub(in super::super) roles: Vec<Role>,
    /// In the order of their names.
    pub(in super::super) files: Vec<File>,
    /// By their numbers in [`MODULES`], in the order of their files.
    pub(in super::super) modules: Vec<usize>,
}

/// A tenant as `tenants` names one: whose word its name is, and the name.
pub(in super::super) type Tenant = (Option<&'static str>, &'static str);

/// A server.
#[derive(Clone, Debug)]
pub(in super::super) struct Place {
    pub(in super::super) name: &'static str,
    pub(in super::super) region: Option<&'static str>,
    pub(in super::super) tenants: Vec<Tenant>,
    /// What its tools do, by its operator's word.
    pub(in super::super) operations: Vec<(&'static str, &'static str)>,
    /// Those that it calls destructive itself.
    pub(in super::super) hints: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Role {
    pub(in super::super) inherits: Vec<usize>,
    pub(in super::super) grants: Vec<Grant>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Grant {
    pub(in super::super) servers: Vec<&'static str>,
    pub(in super::super) tools: Vec<&'static str>,
    pub(in super::super) prompts: Vec<&'static str>,
    /// Numbers in [`URI_PATTERNS`], here and in rules.
    pub(in super::super) resources: Vec<usize>,
    pub(in super::super) vendor: bool,
    /// What the server may ask.
    pub(in super::super) asks: Vec<&'static str>,
    /// Whether `x` must be 1, or not be there.
    pub(in super::super) picky: bool,
    /// Whether it wants the scope `s`.
    pub(in super::super) scoped: bool,
}

/// A policy file.
#[derive(Clone, Debug)]
pub(in super::super) struct File {
    pub(in super::super) tenants: Vec<Tenant>,
    /// As far as nothing stands in it that cannot be in shadow.
    pub(in super::super) shadow: bool,
    pub(in super::super) bindings: Vec<Binding>,
    pub(in super::super) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Binding {
    pub(in super::super) role: usize,
    pub(in super::super) issuers: Vec<&'static str>,
    pub(in super::super) subjects: Vec<&'static str>,
    pub(in super::super) groups: Vec<&'static str>,
    pub(in super::super) claimed_roles: Vec<&'static str>,
    pub(in super::super) clients: Vec<&'static str>,
    pub(in super::super) tenants: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Rule {
    pub(in super::super) name: String,
    pub(in super::super) servers: Vec<&'static str>,
    pub(in super::super) regions: Vec<&'static str>,
    pub(in super::super) tools: Vec<&'static str>,
    pub(in super::super) prompts: Vec<&'static str>,
    pub(in super::super) resources: Vec<usize>,
    pub(in super::super) vendor: bool,
    pub(in super::super) operations: Vec<&'static str>,
    /// A number in [`CONDITIONS`], and whether it is `when`.
    pub(in super::super) condition: Option<(usize, bool)>,
    /// Its own `mode`.
    pub(in super::super) shadow: Option<bool>,
}

impl World {
    /// The roles that stand in this file.
    fn roles_in(&self, file: usize) -> impl Iterator<Item = (usize, &Role)> {
        self.roles.iter().enumerate().filter(move |(at, _)| at % self.files.len() == file)
    }

    /// Whether a file is in shadow: with roles or bindings it cannot be.
    fn is_shadow(&self, file: usize) -> bool {
        let File { shadow, bindings, .. } = &self.files[file];
        *shadow && bindings.is_empty() && self.roles_in(file).next().is_none()
    }

    pub(in super::super) fn bindings(&self) -> impl Iterator<Item = (&File, &Binding)> {
        self.files.iter().flat_map(|file| file.bindings.iter().map(move |binding| (file, binding)))
    }

    /// The rules in order, each with its file and whether it is in shadow.
    pub(in super::super) fn rules(&self) -> impl Iterator<Item = (&File, &Rule, bool)> {
        self.files.iter().enumerate().flat_map(move |(at, file)| {
            file.rules.iter().map(move |rule| (file, rule, rule.shadow.unwrap_or_else(|| self.is_shadow(at))))
        })
    }

    /// The same, in which each rule says itself whether it is in shadow.
    pub(in super::super) fn with_modes(&self) -> Self {
        let mut world = self.clone();
        let modes: Vec<_> = self.rules().map(|(_, _, shadow)| shadow).collect();
        for (rule, shadow) in world.files.iter_mut().flat_map(|file| &mut file.rules).zip(modes) {
            rule.shadow = Some(shadow);
        }
        world
    }

    /// With a file by which whoever is in a group may do nearly everything, so that it is rules that decide.
    pub(in super::super) fn generous(mut self) -> Self {
        let everything = Grant {
            servers: vec!["*"],
            tools: vec!["*"],
            prompts: vec!["*"],
            resources: vec![5, 7],
            vendor: true,
            asks: Vec::new(),
            picky: false,
            scoped: false,
        };
        self.roles.push(Role { inherits: Vec::new(), grants: vec![everything] });
        let issuers = self.issuers.iter().copied().chain(["api-key"]).collect();
        let none = Vec::new;
        let binding = Binding {
            role: self.roles.len() - 1,
            issuers,
            subjects: none(),
            groups: vec!["g0", "g1"],
            claimed_roles: none(),
            clients: none(),
            tenants: none(),
        };
        self.files.push(File { tenants: Vec::new(), shadow: false, bindings: vec![binding], rules: Vec::new() });
        self
    }

    /// With one rule more, before the others of its file.
    pub(in super::super) fn add(&mut self, file: usize, mut rule: Rule, name: &str) {
        name.clone_into(&mut rule.name);
        rule.regions.retain(|region| self.places.iter().any(|place| place.region == Some(*region)));
        self.files[file].rules.insert(0, rule);
    }

    /// Makes of what chance gives something that is read without an error.
    pub(in super::super) fn settled(mut self) -> Self {
        let several = self.issuers.len() > 1;
        let own = |tenants: &mut Vec<Tenant>| {
            for (issuer, _) in tenants.iter_mut() {
                if several && issuer.is_none() {
                    *issuer = Some("corp");
                } else if !several && *issuer == Some("partner") {
                    *issuer = None;
                }
            }
            tenants.sort_unstable();
            tenants.dedup();
        };
        self.places.iter_mut().for_each(|place| own(&mut place.tenants));
        let regions: Vec<_> = self.places.iter().filter_map(|place| place.region).collect();
        let mut names = 0..;
        for file in &mut self.files {
            own(&mut file.tenants);
            for binding in &mut file.bindings {
                if !file.tenants.is_empty() && !file.tenants.iter().any(|(_, name)| binding.tenants.contains(name)) {
                    binding.tenants.clear();
                }
                binding.issuers.retain(|issuer| *issuer == "api-key" || self.issuers.contains(issuer));
                if several && binding.issuers.is_empty() {
                    binding.issuers.push("corp");
                }
                if !binding.names_somebody() {
                    binding.groups.push("g0");
                }
            }
            for (rule, name) in file.rules.iter_mut().zip(&mut names) {
                rule.name = format!("n{name}");
                rule.regions.retain(|region| regions.contains(region));
            }
        }
        self
    }

    /// Puts `yett.yaml` and the policies into a folder.
    pub(in super::super) fn write(&self, folder: &Path) {
        let issuers: Vec<_> = self.issuers.iter().map(|name| {
            format!("{{ name: {name}, issuer: \"https://{name}.example\", jwks_url: \"https://{name}.example/keys\", algorithms: [ES256], {} }}", Who::CLAIMS)
        }).collect();
        let mut text = format!(
            "version: 1\nlisteners: [{{ name: a, address: \"127.0.0.1:0\" }}]\npolicies: policies/\nidentity: {{ issuers: [{}] }}\nservers:\n",
            issuers.join(", ")
        );
        for place in &self.places {
            let keys = place.keys();
            let comma = if keys.is_empty() { "" } else { ", " };
            writeln!(text, "  {}: {{ url: \"http://127.0.0.1:1/mcp\"{comma}{keys} }}", place.name).unwrap();
        }
        fs::write(folder.join("yett.yaml"), text).unwrap();
        fs::create_dir_all(folder.join("policies")).unwrap();
        self.write_policies(&folder.join("policies"));
    }

    /// The same for the policies alone.
    pub(in super::super) fn write_policies(&self, folder: &Path) {
        for (name, text) in self.policies() {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// The files of the policy folder.
    pub(in super::super) fn policies(&self) -> Vec<(String, String)> {
        let files = (0..self.files.len()).map(|at| (format!("{at}.yaml"), self.file(at)));
        let modules = self
            .modules
            .iter()
            .enumerate()
            .map(|(at, module)| (format!("{at}.rego"), format!("package yett\n\n{}\n", MODULES[*module].text)));
        files.chain(modules).collect()
    }

    fn file(&self, at: usize) -> String {
        let file = &self.files[at];
        let mut text = "version: 1\n".to_owned();
        if !file.tenants.is_empty() {
            writeln!(text, "tenants: {}", tenants(&file.tenants)).unwrap();
        }
        if self.is_shadow(at) {
            text += "mode: shadow\n";
        }
        for (number, (role, Role { inherits, grants })) in self.roles_in(at).enumerate() {
            let parents: Vec<_> = inherits.iter().map(|parent| format!("r{parent}")).collect();
            let parents: Vec<_> = parents.iter().map(String::as_str).collect();
            let grants: Vec<_> = grants.iter().map(Grant::written).collect();
            let allow = if grants.is_empty() { String::new() } else { format!("[{}]", grants.join(", ")) };
            let heading = if number == 0 { "roles:\n" } else { "" };
            writeln!(text, "{heading}  r{role}: {}", flow(&[("inherits", list(&parents)), ("allow", allow)])).unwrap();
        }
        for (number, binding) in file.bindings.iter().enumerate() {
            writeln!(text, "{}  - {}", if number == 0 { "bindings:\n" } else { "" }, binding.written()).unwrap();
        }
        for (number, rule) in file.rules.iter().enumerate() {
            writeln!(text, "{}  - {}", if number == 0 { "rules:\n" } else { "" }, rule.written()).unwrap();
        }
        text
    }
}

impl Place {
    /// Lets somebody of the first issuer in.
    pub(in super::super) fn welcome(&mut self) {
        let is_theirs = |(issuer, _): &Tenant| issuer.is_none_or(|issuer| issuer == "corp");
        if !self.tenants.is_empty() && !self.tenants.iter().any(is_theirs) {
            self.tenants.push((Some("corp"), "t"));
        }
    }

    /// Its keys in `yett.yaml`, in flow style.
    pub(in super::super) fn keys(&self) -> String {
        let tools: Vec<_> =
            self.operations.iter().map(|(tool, operation)| format!("{tool}: {{ operation: {operation} }}")).collect();
        let keys = [
            self.region.map(|region| format!("region: {region}")),
            (!self.tenants.is_empty()).then(|| format!("tenants: {}", tenants(&self.tenants))),
            (!tools.is_empty()).then(|| format!("tools: {{ {} }}", tools.join(", "))),
        ];
        keys.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Grant {
    fn written(&self) -> String {
        let arguments = if self.picky { "{ x: { enum: [1], optional: true } }" } else { "" };
        let uris: Vec<_> = self.resources.iter().map(|at| URI_PATTERNS[*at].0).collect();
        flow(&[
            ("servers", list(&self.servers)),
            ("tools", list(&self.tools)),
            ("prompts", list(&self.prompts)),
            ("resources", list(&uris)),
            ("methods", list(if self.vendor { &[super::words::VENDOR] } else { &[] })),
            ("server_requests", list(&self.asks)),
            ("arguments", arguments.to_owned()),
            ("scopes", list(if self.scoped { &["s"] } else { &[] })),
        ])
    }
}

impl Binding {
    fn names_somebody(&self) -> bool {
        let Self { role: _, issuers, subjects, groups, claimed_roles, clients, tenants } = self;
        [issuers, subjects, groups, claimed_roles, clients, tenants].iter().any(|values| !values.is_empty())
    }

    fn written(&self) -> String {
        flow(&[
            ("role", format!("r{}", self.role)),
            ("issuers", list(&self.issuers)),
            ("subjects", list(&self.subjects)),
            ("groups", list(&self.groups)),
            ("claimed_roles", list(&self.claimed_roles)),
            ("clients", list(&self.clients)),
            ("tenants", list(&self.tenants)),
        ])
    }
}

impl Rule {
    fn written(&self) -> String {
        let uris: Vec<_> = self.resources.iter().map(|at| URI_PATTERNS[*at].0).collect();
        let deny = flow(&[
            ("servers", list(&self.servers)),
            ("regions", list(&self.regions)),
            ("tools", list(&self.tools)),
            ("prompts", list(&self.prompts)),
            ("resources", list(&uris)),
            ("methods", list(if self.vendor { &[super::words::VENDOR] } else { &[] })),
            ("operations", list(&self.operations)),
        ]);
        let of = |wanted: bool| {
            let condition = self.condition.filter(|(_, when)| *when == wanted);
            condition.map(|(at, _)| format!("'{}'", CONDITIONS[at].text)).unwrap_or_default()
        };
        let mode = self.shadow.map_or("", |shadow| if shadow { "shadow" } else { "enforce" });
        flow(&[("name", self.name.clone()), ("deny", deny), ("when", of(true)), ("unless", of(false)), ("mode", mode.to_owned())])
    }
}

/// A mapping in flow style, without the keys that have no value.
fn flow(keys: &[(&str, String)]) -> String {
    let keys: Vec<_> = keys.iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{ {} }}", keys.join(", "))
}

fn list(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    if words.is_empty() { String::new() } else { format!("[{}]", words.join(", ")) }
}

fn tenants(tenants: &[Tenant]) -> String {
    let written = tenants.iter().map(|(issuer, name)| issuer.map_or((*name).to_owned(), |issuer| format!("{issuer}/{name}")));
    let written: Vec<_> = written.collect();
    list(&written.iter().map(String::as_str).collect::<Vec<_>>())
}
