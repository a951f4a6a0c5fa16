//! The shape of the file with the place of every key and value, from the parser's events.

use super::path::{KeyPath, PathStep, Position};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// How deep lists and mappings may be nested.
const MAX_DEPTH: usize = 48;
/// How many values there may be, aliases written out.
const MAX_VALUES: usize = 200_000;

/// A value and its position; for an alias, the position of the alias.
#[derive(Clone, Debug)]
pub struct YamlNode {
    pub at: Position,
    /// The value's own text, in characters from the start of the file.
    pub source: (usize, usize),
    pub kind: Rc<NodeKind>,
    values: usize,
    depth: usize,
}

#[derive(Debug)]
pub enum NodeKind {
    Scalar,
    List(Vec<YamlNode>),
    Map(Vec<YamlEntry>),
}

#[derive(Debug)]
pub struct YamlEntry {
    pub key: String,
    pub key_at: Position,
    pub value: YamlNode,
}

/// A mistake that makes the file unreadable, or a duplicate key.
#[derive(Debug)]
pub struct YamlFault {
    pub at: Position,
    pub path: KeyPath,
    pub message: String,
}

/// Reads the whole text. Of duplicate keys the first one is kept and each further one is reported
/// in `repeated`. `Ok(None)`: the file is empty.
pub fn parse(text: &str, repeated: &mut Vec<YamlFault>) -> Result<Option<YamlNode>, YamlFault> {
    let mut builder = Builder { open: Vec::new(), anchors: HashMap::new(), root: None, repeated };
    let mut documents = 0;
    let mut parser = Parser::new(StrInput::new(text));
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlFault {
            at: position(error.marker()),
            path: builder.path(),
            message: format!("this is not YAML: {}", error.info()),
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let message = "a second document starts here; write one document to a file".into();
                return Err(YamlFault {
                    at: position(&span.start),
                    path: KeyPath::root(),
                    message,
                });
            }
        }
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

impl YamlNode {
    /// Whether another reading of the same text found the same lists and mappings, with the same
    /// keys in the same order. Scalars are not compared: only their places are used here.
    pub fn agrees_with(&self, value: &Value) -> bool {
        match (&*self.kind, value) {
            (NodeKind::Scalar, value) => !value.is_array() && !value.is_object(),
            (NodeKind::List(nodes), Value::Array(items)) => {
                nodes.len() == items.len()
                    && nodes.iter().zip(items).all(|(node, item)| node.agrees_with(item))
            }
            (NodeKind::Map(entries), Value::Object(members)) => {
                entries.len() == members.len()
                    && entries.iter().zip(members).all(|(entry, (key, member))| {
                        entry.key == *key && entry.value.agrees_with(member)
                    })
            }
            (NodeKind::List(_) | NodeKind::Map(_), _) => false,
        }
    }
}

struct Builder<'r> {
    open: Vec<OpenNode>,
    anchors: HashMap<usize, YamlNode>,
    root: Option<YamlNode>,
    repeated: &'r mut Vec<YamlFault>,
}

/// A list or mapping whose end has not come.
struct OpenNode {
    start: Span,
    anchor: usize,
    body: OpenBody,
}

enum OpenBody {
    List(Vec<YamlNode>),
    Map {
        entries: Vec<YamlEntry>,
        index: HashMap<String, Position>,
        key: Option<(String, Position)>,
    },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlFault> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(
                    &span,
                    tag.is_some().then_some("a tag (`!…`) is not read here; remove it"),
                )?;
                if self.wants_key() {
                    return self.key(text.into_owned(), span);
                }
                let written =
                    !(style == ScalarStyle::Plain && (span.is_empty() || text.is_empty()));
                let at = if written {
                    position(&span.start)
                } else {
                    self.key_at().unwrap_or_else(|| position(&span.start))
                };
                self.value(YamlNode { at, ..node(span, NodeKind::Scalar, 1, 1) }, anchor)
            }
            Event::Alias(anchor) => {
                self.refuse(
                    &span,
                    self.wants_key().then_some("an alias cannot be a key; write the key out"),
                )?;
                let Some(target) = self.anchors.get(&anchor).cloned() else {
                    return self
                        .refuse(&span, Some("this alias refers to something that contains it"));
                };
                self.value(YamlNode { at: position(&span.start), ..target }, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(span, anchor, tag.is_some(), OpenBody::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let body = OpenBody::Map { entries: Vec::new(), index: HashMap::new(), key: None };
                self.open(span, anchor, tag.is_some(), body)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
        }
    }

    fn open(
        &mut self,
        start: Span,
        anchor: usize,
        tagged: bool,
        body: OpenBody,
    ) -> Result<(), YamlFault> {
        self.refuse(&start, tagged.then_some("a tag (`!…`) is not read here; remove it"))?;
        self.refuse(
            &start,
            self.wants_key().then_some("a list or mapping cannot be a key; write plain text"),
        )?;
        self.refuse(
            &start,
            (self.open.len() >= MAX_DEPTH).then_some("lists and mappings are nested too deep here"),
        )?;
        self.open.push(OpenNode { start, anchor, body });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), YamlFault> {
        let Some(OpenNode { start, anchor, body }) = self.open.pop() else { return Ok(()) };
        let kind = match body {
            OpenBody::List(items) => NodeKind::List(items),
            OpenBody::Map { entries, .. } => NodeKind::Map(entries),
        };
        let children = || -> Box<dyn Iterator<Item = &YamlNode>> {
            match &kind {
                NodeKind::Scalar => Box::new(std::iter::empty()),
                NodeKind::List(items) => Box::new(items.iter()),
                NodeKind::Map(entries) => Box::new(entries.iter().map(|entry| &entry.value)),
            }
        };
        let values = children().fold(1_usize, |sum, child| sum.saturating_add(child.values));
        let depth = children().map(|child| child.depth).max().unwrap_or(0) + 1;
        self.refuse(
            &start,
            (values > MAX_VALUES)
                .then_some("there is too much in here once aliases are written out"),
        )?;
        self.refuse(
            &start,
            (depth > MAX_DEPTH).then_some("lists and mappings are nested too deep here"),
        )?;
        let span = Span::new(
            start.start,
            if end.end.index() >= start.start.index() { end.end } else { start.end },
        );
        self.value(node(span, kind, values, depth), anchor)
    }

    fn key(&mut self, text: String, span: Span) -> Result<(), YamlFault> {
        let at = position(&span.start);
        if let Some(OpenNode { body: OpenBody::Map { index, key, .. }, .. }) = self.open.last_mut()
        {
            let first = index.get(&text).copied();
            index.entry(text.clone()).or_insert(at);
            *key = Some((text, at));
            if let Some(first) = first {
                let path = self.path();
                let message = format!(
                    "duplicate key; first defined on line {}; remove one of the two",
                    first.line
                );
                self.repeated.push(YamlFault { at, path, message });
            }
        }
        Ok(())
    }

    fn value(&mut self, value: YamlNode, anchor: usize) -> Result<(), YamlFault> {
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|open| &mut open.body) {
            None => self.root = Some(value),
            Some(OpenBody::List(items)) => items.push(value),
            Some(OpenBody::Map { entries, index, key }) => {
                if let Some((key, key_at)) = key.take()
                    && index.get(&key) == Some(&key_at)
                {
                    entries.push(YamlEntry { key, key_at, value });
                }
            }
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(OpenNode { body: OpenBody::Map { key: None, .. }, .. }))
    }

    fn key_at(&self) -> Option<Position> {
        match &self.open.last()?.body {
            OpenBody::Map { key, .. } => key.as_ref().map(|(_, at)| *at),
            OpenBody::List(_) => None,
        }
    }

    fn refuse(&self, span: &Span, why: Option<&str>) -> Result<(), YamlFault> {
        match why {
            None => Ok(()),
            Some(why) => Err(YamlFault {
                at: position(&span.start),
                path: self.path(),
                message: why.to_owned(),
            }),
        }
    }

    fn path(&self) -> KeyPath {
        self.open.iter().fold(KeyPath::root(), |path, open| match &open.body {
            OpenBody::List(items) => path.step(PathStep::Item(items.len())),
            OpenBody::Map { key: Some((key, _)), .. } => path.key(key),
            OpenBody::Map { key: None, .. } => path,
        })
    }
}

fn node(span: Span, kind: NodeKind, values: usize, depth: usize) -> YamlNode {
    YamlNode {
        at: position(&span.start),
        source: (span.start.index(), span.end.index()),
        kind: Rc::new(kind),
        values,
        depth,
    }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}
