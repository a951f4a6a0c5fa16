//! Writing HTML: everything that is not a literal of this program is escaped.

use std::fmt::{Display, Write};

/// HTML under construction.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup of this program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Any text, escaped for content and for quoted attributes.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        for character in text.to_string().chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                character => self.0.push(character),
            }
        }
        self
    }

    /// A sentence in which back quotes enclose code.
    pub fn prose(&mut self, text: &str) -> &mut Self {
        for (n, part) in text.split('`').enumerate() {
            if n % 2 == 0 {
                self.text(part);
            } else {
                self.raw("<code>").text(part).raw("</code>");
            }
        }
        self
    }

    /// A number, which needs no escaping.
    pub fn number(&mut self, number: impl Into<f64>, digits: usize) -> &mut Self {
        // writing to memory does not fail
        let _ = write!(self.0, "{:.digits$}", number.into());
        self
    }

    /// One cell of a table.
    pub fn cell(&mut self, text: impl Display) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    /// One cell with a class, which marks it good or bad.
    pub fn cell_of(&mut self, class: &'static str, text: impl Display) -> &mut Self {
        self.raw("<td class=\"").raw(class).raw("\">").text(text).raw("</td>")
    }

    /// A cell with a number, aligned at its end.
    pub fn count(&mut self, text: impl Display) -> &mut Self {
        self.cell_of("number", text)
    }

    /// The head of a table with a caption for readers that do not see it. A column whose name begins
    /// with `#` has numbers.
    pub fn table(&mut self, caption: &'static str, columns: &[&'static str]) -> &mut Self {
        self.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"").raw(caption);
        self.raw("\"><table><caption>").raw(caption).raw("</caption><thead><tr>");
        for column in columns {
            match column.strip_prefix('#') {
                Some(column) => self.raw("<th scope=\"col\" class=\"number\">").raw(column),
                None => self.raw("<th scope=\"col\">").raw(column),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>")
    }

    pub fn end_table(&mut self) -> &mut Self {
        self.raw("</tbody></table></div>")
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_a_sentence_is_marked_and_escaped() {
        let mut html = Html::default();
        html.prose("try `a<b>` & `c`").prose("no end `d");
        assert_eq!(
            html.into_string(),
            "try <code>a&lt;b&gt;</code> &amp; <code>c</code>no end <code>d</code>"
        );
    }

    #[test]
    fn texts_are_escaped() {
        let mut html = Html::default();
        html.cell("<script>alert('&\"')</script>");
        assert_eq!(
            html.into_string(),
            "<td>&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;</td>"
        );
    }
}
