//! The detectors of this build, from `policies/detectors/`.

use super::{Detector, NotCompiled, detectors};
use crate::yaml::Report;

/// What a detector is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Data about people, and payment.
    Pii,
    /// Credentials.
    Secrets,
    /// What a policy looks for by words or a pattern of its own.
    Own,
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
    "secrets/build.yaml",
    "secrets/chat.yaml",
    "secrets/cloud-aws.yaml",
    "secrets/cloud-azure.yaml",
    "secrets/cloud-google.yaml",
    "secrets/cloud-regional.yaml",
    "secrets/commerce.yaml",
    "secrets/data.yaml",
    "secrets/frameworks.yaml",
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
    // What says less about itself comes last: of two that find the same the first names it.
    "secrets/generic.yaml",
    "secrets/assignments.yaml",
];

impl Class {
    /// The classes of this build.
    pub const ALL: [Self; 2] = [Self::Pii, Self::Secrets];

    /// Its folder, and what people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pii => "pii",
            Self::Secrets => "secrets",
            Self::Own => "own",
        }
    }
}

/// Every detector, in the order of the files.
pub(super) fn read_all() -> Result<Vec<(Class, Detector)>, NotCompiled> {
    let mut report = Report::new();
    let mut all = Vec::new();
    for (class, files) in [(Class::Pii, PII), (Class::Secrets, SECRETS)] {
        for (name, bytes) in files {
            all.extend(detectors(name, bytes, &mut report).into_iter().flatten().map(|detector| (class, detector)));
        }
    }
    if report.has_errors() {
        return Err(NotCompiled { id: "(all)".to_owned(), why: report.to_string() });
    }
    Ok(all)
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
            let mut embedded: Vec<_> = files.iter().map(|(name, _)| *name).collect();
            embedded.sort_unstable();
            assert_eq!(found, embedded);
        }
    }
}
