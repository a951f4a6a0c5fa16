//! XML from strangers and for them: no DTD, so no entities but the five of XML itself.

use super::placed::{Template, TokenContext};
use roxmltree::{Document, ParsingOptions};

/// Elements, attributes and texts of a document, at most: a larger document is a bad response.
const MAX_NODES: u32 = 10_000;

/// `None`: it is not well-formed, has a DTD, or is too much.
pub fn parse(text: &str) -> Option<Document<'_>> {
    Document::parse_with_options(
        text,
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() },
    )
    .ok()
}

/// Whether a template is XML with its places in texts and values of attributes. `stand_in` does not
/// occur in it.
pub fn is_xml(template: &Template, stand_in: &str) -> bool {
    let text = template.fill(stand_in, TokenContext::Plain);
    let Some(document) = parse(&text) else { return false };
    let places = document.descendants().map(|node| {
        let text = if node.is_text() {
            node.text().unwrap_or_default().matches(stand_in).count()
        } else {
            0
        };
        text + node
            .attributes()
            .map(|attribute| attribute.value().matches(stand_in).count())
            .sum::<usize>()
    });
    // escaped text would appear unchanged in a CDATA section
    !text.contains("<![CDATA[") && places.sum::<usize>() == template.places()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_type_is_refused() {
        assert!(parse("<a>&lt;&#65;</a>").is_some());
        for text in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM 'http://127.0.0.1/x'><a/>",
            "<a>&x;</a>",
            "<a>",
            "",
            "<a/><b/>",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert!(parse(&format!("<a>{}</a>", "<b/>".repeat(20_000))).is_none(), "too much");
    }

    #[test]
    fn depth_does_no_harm() {
        for depth in [4_000, 20_000, 200_000] {
            let _ = parse(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)));
            let _ = parse(&"<a>".repeat(depth));
        }
    }

    #[test]
    fn places_are_in_text_and_attributes() {
        for (text, fine) in [
            ("<a><b>{token}</b></a>", true),
            ("<a b='{token}'>x{token}y</a>", true),
            ("<a/>", true),
            ("<{token}/>", false),
            ("<a {token}='x'/>", false),
            ("<a><!-- {token} --></a>", false),
            ("<a><![CDATA[{token}]]></a>", false),
            ("<a><?x {token}?></a>", false),
            ("<a xmlns='{token}'/>", false),
            ("{token}", false),
        ] {
            let (template, stand_in) = Template::stand_in(text);
            assert_eq!(is_xml(&template, &stand_in), fine, "{text}");
        }
    }
}
