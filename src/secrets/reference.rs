//! `${kind:place}` inside a value, taken apart.

use std::fmt;
use std::path::Path;

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// `${env:NAME}`, a variable of this process.
    Environment(String),
    /// `${file:PATH}`; a relative path starts at the configuration.
    File(String),
    /// `${vault:MOUNT/PATH#KEY}`, a member of a secret in a KV engine, version 2, of `OpenBao` or Vault.
    Vault {
        /// The engine's mount; one step.
        mount: String,
        /// Path of the secret below it.
        path: String,
        /// The member.
        key: String,
    },
    /// `${aws-sm:NAME#KEY}`, a member of a JSON secret in AWS Secrets Manager, or all of its text without `#KEY`.
    AwsSecret {
        /// Name or ARN.
        name: String,
        /// The member; `None` for the whole text.
        key: Option<String>,
    },
    /// `${aws-ssm:NAME}`, a parameter in AWS Systems Manager.
    AwsParameter(String),
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands there, `$$` already made one dollar.
    Text(String),
    /// What stands for something else.
    Reference(Reference),
}

/// A value with references in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// Why a value is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// `${` without `}`.
    Unclosed,
    /// `${...}` of no known kind; what stands inside.
    Unknown(String),
    /// A known kind with a place of another form: what stands inside, and the form.
    Form(String, &'static str),
}

impl Template {
    /// Takes `text` apart. A lone dollar means nothing else; patterns and passwords have them.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(behind) = after.strip_prefix('$') {
                plain.push('$');
                rest = behind;
            } else if let Some(inside) = after.strip_prefix('{') {
                let (reference, behind) = inside.split_once('}').ok_or(BadTemplate::Unclosed)?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Reference(Reference::parse(reference)?));
                rest = behind;
            } else {
                plain.push('$');
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The same, where relative paths start at `base` whoever reads them.
    #[must_use]
    pub fn rooted(mut self, base: &Path) -> Self {
        for piece in &mut self.0 {
            if let Piece::Reference(Reference::File(path)) = piece
                && let Some(whole) = std::path::absolute(base.join(&*path)).ok().as_deref().and_then(Path::to_str)
            {
                whole.clone_into(path);
            }
        }
        self
    }

    /// Its parts, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }
}

impl Reference {
    fn parse(inside: &str) -> Result<Self, BadTemplate> {
        let malformed = |form| BadTemplate::Form(inside.to_owned(), form);
        match inside.split_once(':') {
            Some(("env", name)) if is_variable_name(name) => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            Some(("vault", place)) => vault(place).ok_or_else(|| malformed("${vault:mount/path#key}")),
            Some(("aws-sm", place)) => {
                let (name, key) = place.split_once('#').map_or((place, None), |(name, key)| (name, Some(key)));
                if !is_aws_name(name) || key.is_some_and(str::is_empty) {
                    return Err(malformed("${aws-sm:name#key}"));
                }
                Ok(Self::AwsSecret { name: name.to_owned(), key: key.map(str::to_owned) })
            }
            Some(("aws-ssm", name)) if is_aws_name(name) => Ok(Self::AwsParameter(name.to_owned())),
            Some(("aws-ssm", _)) => Err(malformed("${aws-ssm:name}")),
            _ => Err(BadTemplate::Unknown(inside.to_owned())),
        }
    }

    /// Whether it is read over the network, and so is not known when a configuration is only read.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Environment(_) | Self::File(_) => false,
            Self::Vault { .. } | Self::AwsSecret { .. } | Self::AwsParameter(_) => true,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "${{env:{name}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
            Self::Vault { mount, path, key } => write!(f, "${{vault:{mount}/{path}#{key}}}"),
            Self::AwsSecret { name, key: Some(key) } => write!(f, "${{aws-sm:{name}#{key}}}"),
            Self::AwsSecret { name, key: None } => write!(f, "${{aws-sm:{name}}}"),
            Self::AwsParameter(name) => write!(f, "${{aws-ssm:{name}}}"),
        }
    }
}

/// SECURITY: these become steps of a URL's path, so nothing that leads elsewhere may stand in them.
fn vault(place: &str) -> Option<Reference> {
    let (path, key) = place.split_once('#')?;
    let (mount, path) = path.split_once('/')?;
    let is_step = |step: &str| {
        !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)) && step != "." && step != ".."
    };
    let good = is_step(mount) && path.split('/').all(is_step) && !key.is_empty();
    good.then(|| Reference::Vault { mount: mount.to_owned(), path: path.to_owned(), key: key.to_owned() })
}

fn is_aws_name(name: &str) -> bool {
    (1..=2048).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b))
}

/// Whether a variable may be called so.
fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Result<Reference, BadTemplate> {
        match Template::parse(text)?.pieces() {
            [Piece::Reference(reference)] => Ok(reference.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_reference_is_told_and_shown_as_it_was_written() {
        for text in [
            "${env:A_1}",
            "${file:/run/secrets/x}",
            "${vault:secret/team/crm#token}",
            "${aws-sm:prod/crm#token}",
            "${aws-sm:arn:aws:secretsmanager:eu-central-1:1:secret:crm-AbCdEf}",
            "${aws-ssm:/prod/crm}",
        ] {
            assert_eq!(reference(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_reference() {
        for text in
            ["${vault:secret#k}", "${vault:secret/../sys#k}", "${vault:secret/a//b#k}", "${vault:secret/a}", "${vault:a/b?c#k}"]
        {
            assert!(matches!(reference(text), Err(BadTemplate::Form(..))), "{text}");
        }
        for text in ["${aws-sm:}", "${aws-sm:a b}", "${aws-sm:a#}", "${aws-ssm:}"] {
            assert!(matches!(reference(text), Err(BadTemplate::Form(..))), "{text}");
        }
        for text in ["${HOME}", "${env:1A}", "${file:}", "${}", "${gcp-sm:a}"] {
            assert!(matches!(reference(text), Err(BadTemplate::Unknown(_))), "{text}");
        }
        assert_eq!(reference("${env:A"), Err(BadTemplate::Unclosed));
    }

    #[test]
    fn dollars_are_text_unless_a_brace_follows() {
        let template = Template::parse("a$b$$c${env:D}$${e}").unwrap();
        let text = |text: &str| Piece::Text(text.to_owned());
        let expected = [text("a$b$c"), Piece::Reference(Reference::Environment("D".to_owned())), text("${e}")];
        assert_eq!(template.pieces(), expected);
    }
}
