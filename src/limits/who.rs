//! Whom a limit counts: the keys of one message.

use super::{Key, Keyer, Maker};
use crate::policy::Dimension;

/// How many keys of one limit a message is counted under; more come of callers in many groups.
pub const MAX_KEYS_OF_ONE: usize = 64;

/// What is known of a message and its caller, as far as limits tell them apart. What a caller lacks is empty.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Configured name of the issuer.
    pub issuer: &'a str,
    /// What the issuer calls them.
    pub subject: &'a str,
    /// Their tenant.
    pub tenant: &'a str,
    /// The OAuth client, or the API key's id.
    pub client: &'a str,
    /// Their groups.
    pub groups: &'a [String],
    /// Their roles, once they are known.
    pub roles: &'a [&'a str],
    /// The server, once it is known that they may ask it.
    pub server: &'a str,
    /// The tool they call.
    pub tool: Option<&'a str>,
    /// The path on a listener.
    pub route: &'a str,
}

impl Asked<'_> {
    /// The caller, by issuer, tenant and subject, and the tenant: whoever makes keys that are new.
    pub fn maker(&self, keyer: &Keyer) -> Maker {
        let [issuer, tenant, subject] = [self.issuer, self.tenant, self.subject].map(str::as_bytes);
        let short = |key: Key| u32::try_from(key.0 >> 32).unwrap_or_default().max(1);
        let house = (!tenant.is_empty()).then(|| short(keyer.key([b"tenant".as_slice(), issuer, tenant])));
        Maker { caller: short(keyer.key([b"maker".as_slice(), issuer, tenant, subject])), tenant: house.unwrap_or_default() }
    }

    /// The keys of a limit that is told apart from others by `seed`. None where `per` names a tool and no tool is called.
    ///
    /// SECURITY: names of subjects, groups, clients and tenants mean something within their issuer alone, and those of subjects, groups and
    /// clients within their tenant; so both are part of each.
    pub fn keys(&self, keyer: &Keyer, seed: Key, per: &[Dimension]) -> Vec<Key> {
        let mut keys = vec![seed];
        let (issuer, tenant) = (self.issuer, self.tenant);
        for dimension in per {
            match dimension {
                Dimension::Subject => extend(keyer, &mut keys, *dimension, &[issuer, tenant, self.subject]),
                Dimension::Client => extend(keyer, &mut keys, *dimension, &[issuer, tenant, self.client]),
                Dimension::Tenant => extend(keyer, &mut keys, *dimension, &[issuer, tenant]),
                Dimension::Issuer => extend(keyer, &mut keys, *dimension, &[issuer]),
                Dimension::Server => extend(keyer, &mut keys, *dimension, &[self.server]),
                Dimension::Route => extend(keyer, &mut keys, *dimension, &[self.route]),
                Dimension::Tool => match self.tool {
                    // In one spelling, whatever its server takes for the same.
                    Some(tool) => extend(keyer, &mut keys, *dimension, &[self.server, &tool.to_ascii_lowercase()]),
                    None => return Vec::new(),
                },
                Dimension::Group => {
                    let groups = named(self.groups.iter().map(String::as_str)).map(|group| [issuer, tenant, group]);
                    keys = product(keyer, &keys, *dimension, groups);
                }
                Dimension::Role => {
                    keys = product(keyer, &keys, *dimension, named(self.roles.iter().copied()).map(|role| [role]));
                }
            }
        }
        keys
    }
}

/// Each name once, in order. Who has none is counted with all others who have none, rather than not at all.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        names.push("");
    }
    names.truncate(MAX_KEYS_OF_ONE);
    names.into_iter()
}

/// Makes each key one of this value as well.
fn extend(keyer: &Keyer, keys: &mut [Key], dimension: Dimension, value: &[&str]) {
    for key in keys {
        *key = extended(keyer, *key, dimension, value);
    }
}

/// Each key with each value.
fn product<'v, const N: usize>(
    keyer: &Keyer,
    keys: &[Key],
    dimension: Dimension,
    values: impl Iterator<Item = [&'v str; N]>,
) -> Vec<Key> {
    let all = values.flat_map(|value| keys.iter().map(move |key| extended(keyer, *key, dimension, &value)));
    all.take(MAX_KEYS_OF_ONE).collect()
}

fn extended(keyer: &Keyer, key: Key, dimension: Dimension, value: &[&str]) -> Key {
    let (seed, tag) = (key.bytes(), [dimension as u8]);
    keyer.key([seed.as_slice(), tag.as_slice()].into_iter().chain(value.iter().map(|part| part.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Asked<'_> = Asked {
        issuer: "corp",
        subject: "u-1",
        tenant: "",
        client: "",
        groups: &[],
        roles: &[],
        server: "crm",
        tool: None,
        route: "https://gw.example/mcp/crm",
    };

    fn keys(asked: &Asked<'_>, per: &[Dimension]) -> Vec<Key> {
        thread_local! {
            static KEYER: Keyer = Keyer::new();
        }
        KEYER.with(|keyer| asked.keys(keyer, keyer.key([b"a limit".as_slice()]), per))
    }

    #[test]
    fn names_mean_something_within_their_issuer_and_tenant_alone() {
        for dimension in [Dimension::Subject, Dimension::Client, Dimension::Group, Dimension::Tenant] {
            let here = keys(&NOBODY, &[dimension]);
            assert_ne!(here, keys(&Asked { issuer: "club", ..NOBODY }, &[dimension]), "{dimension:?}");
            assert_ne!(here, keys(&Asked { tenant: "acme", ..NOBODY }, &[dimension]), "{dimension:?}");
        }
        // The same words in other places are other keys.
        let swapped = Asked { issuer: "u-1", subject: "corp", ..NOBODY };
        assert_ne!(keys(&NOBODY, &[Dimension::Subject]), keys(&swapped, &[Dimension::Subject]));
        assert_ne!(keys(&NOBODY, &[Dimension::Tenant]), keys(&NOBODY, &[Dimension::Issuer]));
    }

    #[test]
    fn a_caller_has_one_key_for_each_group_up_to_a_bound_and_one_for_none() {
        let groups: Vec<String> = (0..100).map(|number| format!("g-{number}")).collect();
        assert_eq!(keys(&NOBODY, &[Dimension::Group]).len(), 1);
        let few = Asked { groups: &["b".to_owned(), "a".to_owned(), "b".to_owned()], ..NOBODY };
        let other = Asked { groups: &["a".to_owned(), "b".to_owned()], ..NOBODY };
        assert_eq!(keys(&few, &[Dimension::Group]), keys(&other, &[Dimension::Group]), "each once, in any order");
        assert_eq!(keys(&Asked { groups: &groups, ..NOBODY }, &[Dimension::Group]).len(), MAX_KEYS_OF_ONE);
        let both = Asked { groups: &groups, roles: &["x", "y"], ..NOBODY };
        assert_eq!(keys(&both, &[Dimension::Role, Dimension::Group]).len(), MAX_KEYS_OF_ONE);
        assert_eq!(keys(&NOBODY, &[]).len(), 1, "everybody together");
        assert!(keys(&NOBODY, &[Dimension::Tool]).is_empty(), "no tool is called");
    }
}
