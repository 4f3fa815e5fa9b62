//! `user_oauth` of servers and `sign_in` of issuers: what belongs together, and what does not.

use super::{Folder, MINIMAL, server_with};

const SIGNING_IN: &str = "identity:
  issuers:
    - name: corp
      issuer: https://login.example
      algorithms: [RS256]
      sign_in: { client_id: yett }
";

fn folder(auth: &str) -> Folder {
    let server = server_with(&format!("    auth: {{ user_oauth: {auth} }}\n"));
    Folder::new(&format!("{server}{SIGNING_IN}"))
}

#[test]
fn accounts_need_an_authorization_server_and_somebody_who_signs_in() {
    let good = [
        "{ issuer: \"https://accounts.example\", client_id: yett, scopes: [mail.read], resource: none }",
        "{ authorization_url: \"https://a.example/authorize\", token_url: \"https://a.example/token\", client_id: yett }",
    ];
    for auth in good {
        folder(auth).loaded();
    }
    for (auth, expected) in [
        ("{ client_id: yett }", "8:25 the key `issuer` is missing: where do users sign in?"),
        (
            "{ issuer: \"https://a.example\", authorization_url: \"https://a.example/a\", token_url: \"https://a.example/t\", client_id: y }",
            "8:35 where the authorization server is asked stands here twice",
        ),
        ("{ issuer: \"http://accounts.example\", client_id: yett }", "8:35 `http://accounts.example` is not https"),
        ("{ issuer: \"https://a.example/?x=1\", client_id: yett }", "8:35 `https://a.example/?x=1` has a query"),
        (
            "{ issuer: \"https://a.example\", client_id: y, revocation_url: \"https://a.example/r\" }",
            "8:86 the metadata of the issuer says where tokens are given back",
        ),
        (
            "{ authorization_url: \"https://a.example/a\", client_id: y }",
            "8:25 the key `token_url` is missing in `servers.*.auth.user_oauth`",
        ),
    ] {
        assert_eq!(folder(auth).errors(), [format!("yett.yaml:{expected}")], "{auth}");
    }
    let server = server_with("    auth: { user_oauth: { issuer: \"https://a.example\", client_id: yett } }\n");
    let nobody = "nobody could connect an account: no issuer says how its users sign in with a browser";
    assert_eq!(Folder::new(&server).errors(), [format!("yett.yaml:8:25 {nobody}")]);
    let over_sse = server.replace("    auth:", "    transport: sse\n    auth:");
    let errors = Folder::new(&format!("{over_sse}{SIGNING_IN}")).errors();
    let expected = "yett.yaml:9:11 `user_oauth` is for Streamable HTTP, and this server is spoken to by `sse`";
    assert_eq!(errors, [expected]);
}

#[test]
fn an_issuer_that_is_no_url_says_itself_where_its_users_sign_in() {
    let written = |sign_in: &str| {
        format!(
            "{MINIMAL}identity:\n  issuers:\n    - {{ name: corp, issuer: corp, jwks_url: \"https://k.example\", algorithms: [RS256], sign_in: {sign_in} }}\n"
        )
    };
    let missing = Folder::new(&written("{ client_id: yett }")).errors();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].ends_with("this issuer is no URL that could be asked where its users sign in"), "{missing:?}");
    let there = "{ client_id: yett, authorization_url: \"https://a.example/a\", token_url: \"https://a.example/t\" }";
    Folder::new(&written(there)).loaded();
}
