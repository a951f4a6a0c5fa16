//! A SOAP web service, 1.1 or 1.2: the request's envelope contains the token, the response's
//! envelope its state.

use crate::clock::Clock;
use crate::introspect::http_client::{HttpAnswer, HttpClient};
use crate::introspect::placed::{Template, TokenContext};
use crate::introspect::status::{failure, shown};
use crate::introspect::tokeninfo::Translation;
use crate::introspect::xml;
use crate::introspect::xpath::{Expression, XPathName, text};
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, Credentials, Failure, FailureKind, Inquiry, Introspector,
    Profile, ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
};
use crate::token::Facts;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use roxmltree::{Document, Node};
use serde_json::{Map, Value};
use std::sync::Arc;
use url::Url;

#[derive(Clone, Debug)]
pub struct SoapSettings {
    pub endpoint: Url,
    /// Visible ASCII without quotes; may be empty.
    pub action: String,
    pub version: SoapVersion,
    /// The content of the envelope's body.
    pub body: Template,
    pub active: Expression,
    /// Paths to members, by their RFC 7662 names, `expires_in` for seconds from now, or any other
    /// name.
    pub answer: Vec<(String, Expression)>,
    /// Fault codes that mean an inactive token.
    pub fault_inactive: Vec<XPathName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoapVersion {
    V1,
    V2,
}

const ENVELOPE_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENVELOPE_2: &str = "http://www.w3.org/2003/05/soap-envelope";

/// A list in an answer has no more items than this.
const MAX_ITEMS: usize = 1000;

impl ServerKind for SoapSettings {
    fn word(&self) -> &'static str {
        "soap"
    }

    fn fingerprint(&self, _: Option<&str>) -> SettingsFingerprint {
        let mut fingerprint = SettingsFingerprint::named(self.word())
            .with("endpoint", self.endpoint.as_str())
            .with("action", &self.action)
            .with("version", format!("{:?}", self.version))
            .with("body", self.body.text())
            .with("active", format!("{:?}", self.active));
        fingerprint.list(
            "answer",
            self.answer.iter().flat_map(|(name, path)| [name.clone(), format!("{path:?}")]),
        );
        fingerprint
            .list("fault_inactive", self.fault_inactive.iter().map(|code| format!("{code:?}")));
        fingerprint
    }

    fn profile<'k>(&'k self, _: Option<&str>) -> Profile<'k> {
        Profile {
            calls: vec![CalledUrl::To(self.endpoint.clone())],
            credentials: Credentials::NotNeeded,
            auth_method: None,
            client_auth: None,
            certificate: None,
            forward_host: false,
            audience: &[],
            client_id: None,
            verification: None,
            then: None,
        }
    }

    fn one_by_one(&self) -> Vec<Arc<dyn ServerKind>> {
        Vec::new()
    }

    fn build(
        &self,
        server: &ServerSettings,
        parts: BuildParts<'_>,
    ) -> Result<Box<dyn Introspector>, UnusableSettings> {
        Ok(Box::new(Soap::new(server, self, parts.clock)?))
    }
}

struct Soap {
    client: HttpClient,
    settings: SoapSettings,
    envelope: Template,
    headers: HeaderMap,
    clock: Clock,
}

impl Soap {
    fn new(
        settings: &ServerSettings,
        soap: &SoapSettings,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        let namespace = match soap.version {
            SoapVersion::V1 => ENVELOPE_1,
            SoapVersion::V2 => ENVELOPE_2,
        };
        let body = soap.body.text();
        let envelope = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{namespace}"><soap:Body>{body}</soap:Body></soap:Envelope>"#
        );
        let headers = headers(soap)
            .ok_or_else(|| UnusableSettings::Credentials(settings.name.to_string()))?;
        Ok(Self {
            client: HttpClient::new(settings, clock.clone())?,
            settings: soap.clone(),
            envelope: Template::new(&envelope),
            headers,
            clock,
        })
    }
}

/// SOAP 1.1 §6.1.1; RFC 3902 for 1.2.
fn headers(soap: &SoapSettings) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    match soap.version {
        SoapVersion::V1 => {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/xml"));
            headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
            headers.insert(
                HeaderName::from_static("soapaction"),
                HeaderValue::try_from(format!("\"{}\"", soap.action)).ok()?,
            );
        }
        SoapVersion::V2 => {
            let action = if soap.action.is_empty() {
                String::new()
            } else {
                format!("; action=\"{}\"", soap.action)
            };
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/soap+xml"));
            let content_type =
                HeaderValue::try_from(format!("application/soap+xml; charset=utf-8{action}"));
            headers.insert(header::CONTENT_TYPE, content_type.ok()?);
        }
    }
    Some(headers)
}

#[async_trait]
impl Introspector for Soap {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let asked = self.clock.now().unix_seconds();
        let envelope = self.envelope.fill(inquiry.token.expose(), TokenContext::Xml);
        let endpoint = &self.settings.endpoint;
        let answer = self.client.send(|client| {
            client.post(endpoint.clone()).headers(self.headers.clone()).body(envelope.clone())
        });
        answer
            .await
            .and_then(|answer| interpret(&self.settings, &answer, asked, inquiry))
            .map_err(|failure| failure.at(&shown(endpoint)))
    }
}

/// Faults come with status 500 (SOAP 1.1 §6.2) or 400 (SOAP 1.2 part 2 §7.4.2), and with 200 in
/// practice.
fn interpret(
    settings: &SoapSettings,
    answer: &HttpAnswer,
    asked: i64,
    inquiry: &Inquiry,
) -> Result<Facts, Failure> {
    let fine = answer.status == StatusCode::OK;
    if !fine
        && !matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR)
    {
        return Err(refused(answer));
    }
    let text = std::str::from_utf8(&answer.body).ok();
    let Some(document) = text.and_then(xml::parse) else {
        return Err(if fine { BadAnswer::NotXml.into() } else { refused(answer) });
    };
    let Some(body) = body(&document) else {
        return Err(if fine { BadAnswer::NotAnEnvelope.into() } else { refused(answer) });
    };
    match child(body, "Fault") {
        Some(fault)
            if codes(fault)
                .any(|code| settings.fault_inactive.iter().any(|known| means(code, known))) =>
        {
            Ok(Facts::Inactive)
        }
        Some(_) => Err(Failure::new(
            FailureKind::BadResponse,
            format!(
                "status {}, a SOAP fault whose code is not among fault_inactive",
                answer.status.as_u16()
            ),
        )),
        None if fine => Ok(translate(settings, &document, asked, inquiry)?),
        None => Err(refused(answer)),
    }
}

fn refused(answer: &HttpAnswer) -> Failure {
    failure(answer, "check who may call it")
}

/// The body of an envelope of either version.
fn body<'d, 'i>(document: &'d Document<'i>) -> Option<Node<'d, 'i>> {
    let envelope = document.root_element();
    let known = |namespace: Option<&str>| matches!(namespace, Some(ENVELOPE_1 | ENVELOPE_2));
    if envelope.tag_name().name() != "Envelope" || !known(envelope.tag_name().namespace()) {
        return None;
    }
    child(envelope, "Body")
}

/// A child in the namespace of its parent.
fn child<'d, 'i>(parent: Node<'d, 'i>, name: &str) -> Option<Node<'d, 'i>> {
    let namespace = parent.tag_name().namespace();
    parent.children().find(|node| {
        node.is_element()
            && node.tag_name().name() == name
            && node.tag_name().namespace() == namespace
    })
}

/// The elements with a fault's codes: `faultcode` in 1.1 (§4.4), in 1.2 the value of the code and
/// of the subcodes below it (part 1 §5.4.1).
fn codes<'d, 'i>(fault: Node<'d, 'i>) -> impl Iterator<Item = Node<'d, 'i>> {
    let old = fault.children().filter(|node| node.has_tag_name("faultcode"));
    let new = std::iter::successors(child(fault, "Code"), |code| child(*code, "Subcode"))
        .filter_map(|code| child(code, "Value"));
    old.chain(new)
}

/// Whether an element's text is this name; a prefix in it is resolved in that element.
fn means(code: Node, known: &XPathName) -> bool {
    let text = text(code);
    match text.split_once(':') {
        Some((prefix, local)) => {
            let namespace = code.lookup_namespace_uri(Some(prefix));
            known.local == local
                && known.namespace.is_some()
                && known.namespace.as_deref() == namespace
        }
        // servers leave the prefix out, or mean the default namespace
        None => {
            let namespace = known.namespace.as_deref();
            known.local == text
                && (namespace.is_none() || namespace == code.lookup_namespace_uri(None))
        }
    }
}

fn translate(
    settings: &SoapSettings,
    document: &Document,
    asked: i64,
    inquiry: &Inquiry,
) -> Result<Facts, BadAnswer> {
    let active = only(&settings.active, document)?.ok_or(BadAnswer::NothingAt("active"))?;
    let is_active = match &settings.active.equals {
        Some(wanted) => active == *wanted,
        // xs:boolean
        None => matches!(&*active, "true" | "1"),
    };
    if !is_active {
        return Ok(Facts::Inactive);
    }
    let mut members = Map::new();
    for (name, path) in &settings.answer {
        let value = match name.as_str() {
            "scope" | "aud" => list(path, document)?,
            // a time that is there and empty is nonsense
            "exp" | "expires_in" | "nbf" | "iat" => only(path, document)?.map(Value::from),
            _ => only(path, document)?.filter(|text| !text.is_empty()).map(Value::from),
        };
        members.extend(value.map(|value| (name.clone(), value)));
    }
    let mut answer = Translation::from_members(members);
    answer.expires_in("expires_in", asked)?;
    answer.facts(inquiry)
}

/// The value of a path that may match once. Of two matches, readers may take different ones.
fn only(path: &Expression, document: &Document) -> Result<Option<String>, BadAnswer> {
    let mut found = path.find(document, 1);
    if found.len() > 1 { Err(BadAnswer::Ambiguous) } else { Ok(found.pop()) }
}

fn list(path: &Expression, document: &Document) -> Result<Option<Value>, BadAnswer> {
    let mut found = path.find(document, MAX_ITEMS);
    if found.len() > MAX_ITEMS {
        return Err(BadAnswer::Ambiguous);
    }
    found.retain(|text| !text.is_empty());
    Ok(match found.len() {
        0 => None,
        1 => found.pop().map(Value::from),
        _ => Some(found.into()),
    })
}
