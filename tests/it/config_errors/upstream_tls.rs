//! The files of `servers.*.tls`.

use super::{Folder, MINIMAL, server_with};
use crate::support::certs::{Authority, Leaf};

/// With the files of a good configuration, and of bad ones.
fn folder(tls: &str) -> Folder {
    let root = Authority::new("root");
    let (ours, other) = (root.issue(&Leaf::client("ours")), root.issue(&Leaf::client("other").expired()));
    Folder::new(&server_with(&format!("    tls: {{ {tls} }}\n")))
        .file("ca.pem", &root.pem)
        .file("ours.pem", &ours.certificate)
        .file("ours.key", &ours.key)
        .file("old.pem", &other.certificate)
        .file("old.key", &other.key)
        .file("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        .file("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB!\n")
        .file("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .file("empty", "")
}

#[test]
fn what_is_good_is_read() {
    let pin = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let loaded = folder(&format!("ca: ca.pem, cert: ours.pem, key: ours.key, pins: [\"{pin}\"]")).loaded();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let tls = &loaded.config.servers[0].tls;
    assert_eq!((tls.authorities.len(), tls.identity.is_some(), tls.pins.len()), (1, true, 1));
    assert_eq!(tls.pins[0][..4], [0xe3, 0xb0, 0xc4, 0x42]);
}

#[test]
fn each_mistake_has_its_place_and_message() {
    for (tls, message) in [
        ("ca: none.pem", "8:16 `none.pem` cannot be read: No such file or directory (os error 2)"),
        ("ca: policies", "8:16 `policies` cannot be read: not a regular file"),
        ("ca: empty", "8:16 `empty` holds no certificate in PEM form"),
        ("ca: ours.key", "8:16 `ours.key` holds no certificate in PEM form"),
        ("ca: cut.pem", "8:16 `cut.pem` holds PEM that cannot be read"),
        ("ca: broken.pem", "8:16 certificate 1 in this file cannot be a CA: invalid peer certificate: BadEncoding"),
        ("cert: ours.pem", "8:18 `cert` and `key` belong together"),
        ("key: ours.key", "8:17 `cert` and `key` belong together"),
        ("cert: broken.pem, key: ours.key", "8:18 this file holds a certificate that cannot be read"),
        ("cert: ours.pem, key: old.key", "8:33 this key is not the one of the certificate"),
        ("cert: ours.pem, key: ca.pem", "8:33 `ca.pem` holds no private key in PEM form"),
        ("cert: ours.pem, key: locked.key", "8:33 `locked.key` holds a private key that is encrypted"),
        ("pins: []", "8:18 `pins` is empty"),
        ("pins: [sha1/x]", "8:19 `sha1/x` is not a pin"),
        (
            "pins: [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS\"]",
            "8:19 `sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS` is not a pin",
        ),
        ("verify: false", "8:12 unknown key `verify` in `servers.*.tls`"),
    ] {
        assert_eq!(folder(tls).errors(), [format!("yett.yaml:{message}")], "{tls}");
    }
    let plain = MINIMAL.replace("https://crm.internal/mcp", "http://127.0.0.1/mcp\n    tls: { ca: ca.pem }");
    let plain = Folder::new(&plain).file("ca.pem", &Authority::new("root").pem);
    assert_eq!(plain.errors(), ["yett.yaml:8:10 `tls` is for an `https` URL, and this server is spoken to in the clear"]);
}

#[test]
fn a_certificate_that_is_out_of_its_time_is_a_warning() {
    assert_eq!(folder("cert: old.pem, key: old.key").warnings(), ["yett.yaml:8:18 this certificate has expired"]);
    let early = Authority::new("root").issue(&Leaf::client("early").not_yet());
    let early = Folder::new(&server_with("    tls: { ca: early.pem }\n")).file("early.pem", &early.certificate);
    assert_eq!(early.warnings(), ["yett.yaml:8:16 this certificate is not valid yet"]);
}
