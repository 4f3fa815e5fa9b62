//! Certificates made on the spot: an authority, and leaves from it that are right or wrong in one way.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};

/// A certificate authority, or one below it.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
}

/// What a leaf is to say.
#[derive(Clone)]
pub(crate) struct Leaf {
    common_name: String,
    names: Vec<SanType>,
    usages: Vec<ExtendedKeyUsagePurpose>,
    /// Seconds from now, as it may lie on either side of it.
    valid: (i64, i64),
    serial: Option<u64>,
}

/// A certificate and the key that belongs to it.
#[derive(Clone)]
pub(crate) struct Issued {
    /// The leaf alone.
    pub(crate) certificate: String,
    /// PKCS#8.
    pub(crate) key: String,
    /// SHA-256 of the `SubjectPublicKeyInfo`, as RFC 7469 writes a pin.
    pub(crate) pin: String,
    /// The serial number, for a list of what is revoked.
    pub(crate) serial: SerialNumber,
}

const DAY: i64 = 24 * 60 * 60;

impl Authority {
    /// A root by this common name.
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority_params(name), key());
        let pem = params.self_signed(&key).expect("a self-signed root").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// An intermediate authority that this one vouches for.
    pub(crate) fn below(&self, name: &str) -> Self {
        let (params, key) = (authority_params(name), key());
        let pem = params.signed_by(&key, &self.issuer).expect("an intermediate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own public key as RFC 7469 writes a pin.
    pub(crate) fn pin(&self) -> String {
        pin(self.issuer.key())
    }

    /// A leaf from this authority.
    pub(crate) fn issue(&self, leaf: &Leaf) -> Issued {
        let (params, key) = (leaf.params(), key());
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf");
        issued(&certificate, &params, &key)
    }

    /// What it has revoked, in PEM form, as good for a day.
    pub(crate) fn revocations(&self, revoked: &[&Issued]) -> String {
        self.revocations_until(revoked, DAY)
    }

    /// The same, whose next update is due so many seconds from now.
    pub(crate) fn revocations_until(&self, revoked: &[&Issued], next: i64) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_1970(-2 * DAY),
            next_update: date_time_ymd(1970, 1, 1) + since_1970(next),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(|issued| revocation(issued)).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a revocation list").pem().expect("in PEM form")
    }
}

impl Leaf {
    /// Of a server by this DNS name, or of this address.
    pub(crate) fn server(name: &str) -> Self {
        Self::new(name, ExtendedKeyUsagePurpose::ServerAuth).name(name)
    }

    /// Of a client whose common name this is, and nothing else.
    pub(crate) fn client(common_name: &str) -> Self {
        Self::new(common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn new(common_name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let names = Vec::new();
        Self { common_name: common_name.to_owned(), names, usages: vec![usage], valid: (-DAY, DAY), serial: None }
    }

    /// Also of this DNS name or address.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into().expect("an ASCII name")),
        });
        self
    }

    /// Also of this URI, such as a SPIFFE ID.
    pub(crate) fn uri(mut self, uri: &str) -> Self {
        self.names.push(SanType::URI(uri.try_into().expect("an ASCII URI")));
        self
    }

    /// Whose time was over yesterday.
    pub(crate) fn expired(self) -> Self {
        self.valid(-10 * DAY, -DAY)
    }

    /// Whose time begins tomorrow.
    pub(crate) fn not_yet(self) -> Self {
        self.valid(DAY, 10 * DAY)
    }

    /// Good from and until so many seconds from now.
    pub(crate) fn valid(mut self, from: i64, until: i64) -> Self {
        self.valid = (from, until);
        self
    }

    /// With this serial number.
    pub(crate) fn serial(mut self, serial: u64) -> Self {
        self.serial = Some(serial);
        self
    }

    /// Signed by its own key alone.
    pub(crate) fn self_signed(&self) -> Issued {
        let (params, key) = (self.params(), key());
        let certificate = params.self_signed(&key).expect("a self-signed leaf");
        issued(&certificate, &params, &key)
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&self.common_name);
        params.subject_alt_names.clone_from(&self.names);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages.clone_from(&self.usages);
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(self.valid.0);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(self.valid.1);
        let serial = self.serial.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
        params.serial_number = Some(SerialNumber::from(serial));
        params
    }
}

impl Issued {
    /// The leaf with these below the root behind it, as a server presents them.
    pub(crate) fn chain(&self, intermediates: &[&Authority]) -> String {
        intermediates.iter().fold(self.certificate.clone(), |chain, authority| chain + &authority.pem)
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder and says where they are.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate).expect("a certificate is written");
        std::fs::write(&key, &self.key).expect("a key is written");
        (certificate, key)
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(-100 * DAY);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(100 * DAY);
    params
}

fn issued(certificate: &rcgen::Certificate, params: &CertificateParams, key: &KeyPair) -> Issued {
    let serial = params.serial_number.clone().expect("every leaf is given one");
    Issued { certificate: certificate.pem(), key: key.serialize_pem(), pin: pin(key), serial }
}

fn revocation(issued: &Issued) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: issued.serial.clone(),
        revocation_time: date_time_ymd(1970, 1, 1) + since_1970(-DAY),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    }
}

fn pin(key: &impl rcgen::PublicKeyData) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.subject_public_key_info());
    format!("sha256/{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

/// P-256: quick to make, and what most certificates are.
fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// A moment so many seconds from now, as seconds since 1970: rcgen's kind of time is of a crate that is not named here.
fn since_1970(from_now: i64) -> Duration {
    let moment = Timestamp::now().as_second() + from_now;
    Duration::from_secs(u64::try_from(moment).expect("after 1970"))
}
