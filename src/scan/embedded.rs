//! The detectors of this build, from `policies/detectors/`.

use std::sync::LazyLock;

use super::{Detector, NotCompiled, Scanner, detectors};
use crate::yaml::Report;

/// What a detector is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Data about people, and payment.
    Pii,
    /// Credentials.
    Secrets,
}

/// A file, by its path below `policies/detectors/`, and what stands in it.
type File = (&'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../policies/detectors/", $name)))),*]
    };
}

const PII: &[File] = files![
    "pii/americas.yaml",
    "pii/asia-pacific-africa.yaml",
    "pii/contact.yaml",
    "pii/europe-north-east.yaml",
    "pii/europe-south.yaml",
    "pii/europe-west.yaml",
    "pii/network.yaml",
    "pii/payment.yaml",
    "pii/travel.yaml",
];

const SECRETS: &[File] = files![
    "secrets/ai-agents.yaml",
    "secrets/ai.yaml",
    "secrets/analytics-and-threats.yaml",
    "secrets/assignments.yaml",
    "secrets/build.yaml",
    "secrets/chat.yaml",
    "secrets/cloud-aws.yaml",
    "secrets/cloud-azure.yaml",
    "secrets/cloud-google.yaml",
    "secrets/cloud-regional.yaml",
    "secrets/commerce.yaml",
    "secrets/data.yaml",
    "secrets/frameworks.yaml",
    "secrets/generic.yaml",
    "secrets/hosting.yaml",
    "secrets/identity.yaml",
    "secrets/infrastructure.yaml",
    "secrets/keys.yaml",
    "secrets/mail-and-marketing.yaml",
    "secrets/markets.yaml",
    "secrets/monitoring.yaml",
    "secrets/payments.yaml",
    "secrets/saas.yaml",
    "secrets/search-and-pipelines.yaml",
    "secrets/social.yaml",
    "secrets/source-control.yaml",
    "secrets/tokens.yaml",
];

static COMPILED_PII: LazyLock<Result<Scanner, NotCompiled>> = LazyLock::new(|| compiled(PII));
static COMPILED_SECRETS: LazyLock<Result<Scanner, NotCompiled>> = LazyLock::new(|| compiled(SECRETS));

impl Class {
    /// Every class there is.
    pub const ALL: [Self; 2] = [Self::Pii, Self::Secrets];

    /// Its folder, and what people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pii => "pii",
            Self::Secrets => "secrets",
        }
    }
}

/// The scanner of a class; its files are read when it is first asked for.
///
/// # Errors
/// A file of this build is broken, which its tests exclude.
pub fn built_in(class: Class) -> Result<&'static Scanner, &'static NotCompiled> {
    match class {
        Class::Pii => COMPILED_PII.as_ref(),
        Class::Secrets => COMPILED_SECRETS.as_ref(),
    }
}

fn compiled(files: &[File]) -> Result<Scanner, NotCompiled> {
    let mut report = Report::new();
    let all: Vec<Detector> = files.iter().filter_map(|(name, bytes)| detectors(name, bytes, &mut report)).flatten().collect();
    if report.has_errors() {
        return Err(NotCompiled { id: "(all)".to_owned(), why: report.to_string() });
    }
    Scanner::new(all)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        for (class, files) in [(Class::Pii, PII), (Class::Secrets, SECRETS)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/detectors").join(class.name());
            let mut found: Vec<String> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| format!("{}/{}", class.name(), entry.unwrap().file_name().to_string_lossy()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
    }
}
