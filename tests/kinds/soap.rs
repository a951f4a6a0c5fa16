//! A SOAP web service of the authorization server.

use super::{configuration, identity, no_answers, sent, server, user_agent};
use crate::support::{Behaviour, Setup, now, run_cli_in};

const KEYS: &str = r#"type: soap, endpoint: "@AS_ORIGIN@/TokenService", action: "urn:ValidateToken", body: '<v:Validate xmlns:v="urn:tokens"><v:Token>{token}</v:Token></v:Validate>', namespaces: { v: "urn:tokens" }, answer: { active: "//v:Valid = 'true'", sub: "//v:User", scope: "//v:Scopes", expires_in: "//v:Ttl" }, fault_inactive: ["v:InvalidToken"]"#;

#[track_caller]
fn soap(more: &str) -> Setup {
    server(&format!("{KEYS}, {more}"))
}

fn envelope(namespace: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><e:Envelope xmlns:e="{namespace}"><e:Header/><e:Body>{body}</e:Body></e:Envelope>"#
    )
}

const V1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const V2: &str = "http://www.w3.org/2003/05/soap-envelope";

fn xml(status: u16, body: &str) -> Behaviour {
    Behaviour::respond(status, &[("Content-Type", "text/xml; charset=utf-8")], body)
}

/// An answer that calls the token good, with this inside.
fn valid(inside: &str) -> Behaviour {
    xml(200, &envelope(V1, &format!(r#"<r xmlns="urn:tokens"><Valid>true</Valid>{inside}</r>"#)))
}

#[test]
fn the_exchange_of_1_1() {
    let setup = soap("");
    setup
        .server
        .behave_for_all(valid("<User>jo &amp; co</User><Scopes>read write</Scopes><Ttl>60</Ttl>"));
    let before = now();
    assert_eq!(setup.get("abc123").status, 200);
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{V1}"><soap:Body><v:Validate xmlns:v="urn:tokens"><v:Token>abc123</v:Token></v:Validate></soap:Body></soap:Envelope>"#
    );
    let expected = format!(
        "POST /TokenService\naccept: text/xml\naccept-encoding: gzip\ncontent-length: {}\ncontent-type: text/xml; charset=utf-8\nsoapaction: \"urn:ValidateToken\"\n{}\n\n{body}",
        body.len(),
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    let headers = identity(&setup);
    let value = |name: &str| {
        headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    };
    assert_eq!((value("sub"), value("scope")), (Some("jo & co"), Some("read write")));
    let exp: i64 = value("exp").and_then(|exp| exp.parse().ok()).expect("exp");
    assert!((before + 60..=now() + 60).contains(&exp), "{exp}");
}

#[test]
fn the_exchange_of_1_2() {
    let setup = soap("version: \"1.2\"");
    setup.server.behave_for_all(xml(
        200,
        &envelope(V2, r#"<t:r xmlns:t="urn:tokens"><t:Valid> true </t:Valid><t:User/></t:r>"#),
    ));
    assert_eq!(setup.get("abc123").status, 200);
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{V2}"><soap:Body><v:Validate xmlns:v="urn:tokens"><v:Token>abc123</v:Token></v:Validate></soap:Body></soap:Envelope>"#
    );
    let expected = format!(
        "POST /TokenService\naccept: application/soap+xml\naccept-encoding: gzip\ncontent-length: {}\ncontent-type: application/soap+xml; charset=utf-8; action=\"urn:ValidateToken\"\n{}\n\n{body}",
        body.len(),
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    assert_eq!(
        identity(&setup),
        [("server".to_owned(), "main".to_owned())],
        "an empty element is no member"
    );
}

#[test]
fn the_token_stays_text() {
    let setup = soap("");
    setup.server.behave_for_all(valid(""));
    for (token, escaped) in [
        ("</v:Token><v:Admin/>", "&lt;/v:Token&gt;&lt;v:Admin/&gt;"),
        ("a&b'c", "a&amp;b&apos;c"),
        ("&amp", "&amp;amp"),
        ("]]>", "]]&gt;"),
        ("<!--x-->", "&lt;!--x--&gt;"),
    ] {
        assert_eq!(setup.get(token).status, 200, "{token}");
        let body = String::from_utf8(setup.server.last().body).expect("UTF-8");
        assert!(body.contains(&format!("<v:Token>{escaped}</v:Token>")), "{body}");
    }
}

#[test]
fn anything_but_true_is_inactive() {
    let setup = soap("");
    for (i, value) in
        ["false", "TRUE", "1", "yes", "", "true!", "<x>tru</x>"].into_iter().enumerate()
    {
        let body = envelope(V1, &format!(r#"<Valid xmlns="urn:tokens">{value}</Valid>"#));
        setup.server.behave_for_all(xml(200, &body));
        assert_eq!(setup.outcome(&format!("t{i}")), (401, "inactive".into()), "{value}");
    }
    let setup = server(&KEYS.replace(" = 'true'", ""));
    for (value, status) in [("true", 200), ("1", 200), ("false", 401), ("yes", 401)] {
        setup.server.behave_for_all(xml(
            200,
            &envelope(V1, &format!(r#"<Valid xmlns="urn:tokens">{value}</Valid>"#)),
        ));
        assert_eq!(setup.get(&format!("t{value}")).status, status, "{value}");
    }
}

#[test]
fn faults() {
    let setup = soap("");
    let old = |namespaces: &str, code: &str| {
        envelope(
            V1,
            &format!(
                "<e:Fault {namespaces}><faultcode>{code}</faultcode><faultstring>no</faultstring></e:Fault>"
            ),
        )
    };
    let new = |code: &str, inner: &str| {
        let inner = format!("<e:Subcode><e:Value>{inner}</e:Value></e:Subcode>");
        envelope(
            V2,
            &format!(
                "<e:Fault xmlns:t=\"urn:tokens\"><e:Code><e:Value>{code}</e:Value>{inner}</e:Code></e:Fault>"
            ),
        )
    };
    let inactive = (401, "inactive".to_owned());
    let failed = (503, "as_bad_response".to_owned());
    for (i, (status, body, expected)) in [
        (500, old("xmlns:t='urn:tokens'", "t:InvalidToken"), &inactive),
        (200, old("xmlns:t='urn:tokens'", " t:InvalidToken\n"), &inactive),
        (500, old("xmlns='urn:tokens'", "InvalidToken"), &inactive),
        (400, new("e:Sender", "t:InvalidToken"), &inactive),
        (500, new("t:InvalidToken", "t:Other"), &inactive),
        (500, old("xmlns:v='urn:other'", "v:InvalidToken"), &failed),
        (500, old("", "v:InvalidToken"), &failed),
        (500, old("", "InvalidToken"), &failed),
        (500, old("", "e:Server"), &failed),
        (200, old("", "e:Client"), &failed),
        (400, new("e:Sender", "t:Other"), &failed),
    ]
    .into_iter()
    .enumerate()
    {
        setup.server.behave_for_all(xml(status, &body));
        assert_eq!(&setup.outcome(&format!("t{i}")), expected, "{status} {body}");
    }
    // a fault beside an answer is a fault
    let both = envelope(
        V1,
        "<Valid xmlns='urn:tokens'>true</Valid><e:Fault><faultcode>e:Server</faultcode></e:Fault>",
    );
    setup.server.behave_for_all(xml(200, &both));
    assert_eq!(setup.outcome("both"), failed);
}

#[test]
fn entities_and_document_types_are_refused() {
    let setup = soap("");
    let answer = envelope(V1, "<Valid xmlns='urn:tokens'>true</Valid>");
    let doctype = |dtd: &str, answer: &str| answer.replace("<?xml version=\"1.0\"?>", dtd);
    let lol = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>";
    for body in [
        doctype("<!DOCTYPE e:Envelope>", &answer),
        doctype("<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/x.dtd\">", &answer),
        doctype("<!DOCTYPE x [<!ENTITY t 'true'>]>", &answer.replace(">true<", ">&t;<")),
        doctype(
            "<!DOCTYPE x [<!ENTITY t SYSTEM \"file:///etc/hostname\">]>",
            &answer.replace(">true<", ">&t;<"),
        ),
        doctype(lol, &answer.replace(">true<", ">&c;<")),
        answer.replace(">true<", ">&t;<"),
    ] {
        setup.server.behave_for_all(xml(200, &body));
        assert_eq!(setup.outcome("token"), (503, "as_bad_response".into()), "{body}");
    }
    setup.server.behave_for_all(xml(200, &answer.replace(">true<", "><![CDATA[tr]]>&#117;e<")));
    assert_eq!(
        setup.outcome("plain"),
        (200, String::new()),
        "character references and CDATA are no entities"
    );
}

#[test]
fn missing_or_wrong_values_are_no_answer() {
    let setup = soap("");
    let with = |inside: &str| envelope(V1, &format!(r#"<r xmlns="urn:tokens">{inside}</r>"#));
    for body in [
        with(""),
        with("<Valid>true</Valid><Valid>false</Valid>"),
        with("<Valid>true</Valid><Valid>true</Valid>"),
        with("<Valid>true</Valid><User>a</User><User>b</User>"),
        with("<Valid>true</Valid><Ttl>soon</Ttl>"),
        with("<Valid>true</Valid><Ttl/>"),
        envelope(V1, "<Valid>true</Valid>"),
        envelope("urn:other", "<Valid xmlns='urn:tokens'>true</Valid>"),
        "<Valid xmlns='urn:tokens'>true</Valid>".into(),
        format!("<Envelope xmlns='{V1}'/>"),
        with("<Valid>true</Valid").replace("</r>", ""),
        "{\"Valid\":true}".into(),
        "<a>".repeat(20_000),
        format!("{}{}", "<a>".repeat(8_000), "</a>".repeat(8_000)),
    ] {
        setup.server.behave_for_all(xml(200, &body));
        assert_eq!(
            setup.outcome("token"),
            (503, "as_bad_response".into()),
            "{}",
            body.chars().take(300).collect::<String>()
        );
    }
    setup.server.behave_for_all(valid("<Scopes>a</Scopes><Scopes>b c</Scopes><Ttl>0</Ttl>"));
    assert_eq!(setup.outcome("ended"), (401, "expired".into()));
    setup.server.behave_for_all(valid("<Scopes>a</Scopes><Scopes>b c</Scopes>"));
    assert_eq!(setup.outcome("listed"), (200, String::new()));
    assert_eq!(super::identity_of(&setup, "scope").as_deref(), Some("a b c"));
}

#[test]
fn invalid_answers_are_bad_responses() {
    no_answers(&soap(""));
}

#[test]
fn a_member_of_ones_own_is_forwarded() {
    let keys = KEYS.replace(
        "sub: \"//v:User\"",
        "sub: \"//v:User/@id\", tenant: \"/e:Envelope/e:Body/v:r/v:Org\"",
    );
    let keys = keys.replace("namespaces: {", &format!("namespaces: {{ e: \"{V1}\","));
    let setup =
        Setup::start(&format!("identity: {{ claims: [tenant] }}\n{}", configuration(&keys)));
    setup.server.behave_for_all(valid("<User id='7'>jo</User><Org>acme</Org>"));
    assert_eq!(setup.get("t").status, 200);
    assert_eq!(super::identity_of(&setup, "tenant").as_deref(), Some("acme"));
    assert_eq!(super::identity_of(&setup, "sub").as_deref(), Some("7"));
}

#[test]
fn unusable_settings_are_reported() {
    let check = |keys: &str| {
        let directory = tempfile::tempdir().expect("a folder");
        let yaml = format!(
            "authorization_servers:\n  main: {{ {keys} }}\nroutes: [{{ path: /*, upstream: \"http://127.0.0.1:1\" }}]\n"
        );
        std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
        (code, out + &err)
    };
    let keys = KEYS.replace("@AS_ORIGIN@", "https://as.internal");
    assert_eq!(check(&keys).0, 0, "{}", check(&keys).1);
    for (old, new, expected) in [
        ("endpoint: \"https://as.internal/TokenService\", ", "", "endpoint: is missing"),
        ("active: \"//v:Valid = 'true'\", ", "", "answer.active: is missing"),
        ("//v:Valid =", "//w:Valid =", "uses the prefix `w`"),
        ("//v:Valid =", "//v:Valid[1] =", "is not a path"),
        ("\"//v:User\"", "\"//v:User = 'x'\"", "only `active` may"),
        ("\"v:InvalidToken\"", "\"w:InvalidToken\"", "uses the prefix `w`"),
        ("\"v:InvalidToken\"", "\"not a code\"", "is not a fault code"),
        ("{token}", "", "has no place for the token"),
        ("<v:Token>{token}</v:Token>", "<!-- {token} -->", "is elsewhere"),
        ("<v:Token>{token}</v:Token>", "<v:Token>{token}", "is not XML"),
        ("<v:Token>", "<v:Token><![CDATA[x]]>", "is elsewhere"),
        ("urn:ValidateToken", "urn:é", "visible ASCII"),
        ("sub: ", "subj: ", "did you mean `sub`"),
        ("action:", "api: legacy, action:", "belongs to servers of type `github`"),
    ] {
        assert!(keys.contains(old), "{old}");
        let (code, output) = check(&keys.replacen(old, new, 1));
        assert_eq!(code, 64, "{old} → {new}\n{output}");
        assert!(output.contains(expected), "{old} → {new}\n{output}");
    }
}
