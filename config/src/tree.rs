//! Merged values with their origins. No key has a meaning here.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::problem::ConfigOrigin;

/// Tables, lists and values, each with where it was written.
#[derive(Debug, Clone)]
pub(crate) struct TreeItem {
    pub origin: ConfigOrigin,
    pub node: Node,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Table(TreeTable),
    List(Vec<TreeItem>),
    Text(String),
    Integer(i64),
    Float,
    Flag(bool),
    /// A date or time, or a number that fits no type: nothing here takes one.
    Other,
}

pub(crate) type TreeTable = BTreeMap<String, TreeItem>;

impl Node {
    /// What it is, in a sentence.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a section",
            Self::List(_) => "a list",
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Flag(_) => "true or false",
            Self::Other => "a date or a number out of range",
        }
    }
}

/// A parsed table with the lines of its values.
pub(crate) fn from_toml(table: &DeTable<'_>, at: &impl Fn(usize) -> ConfigOrigin) -> TreeTable {
    let entry = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
        let item = TreeItem { origin: at(key.span().start), node: node(value.get_ref(), at) };
        (key.get_ref().clone().into_owned(), item)
    };
    table.iter().map(entry).collect()
}

fn node(value: &DeValue<'_>, at: &impl Fn(usize) -> ConfigOrigin) -> Node {
    match value {
        DeValue::String(text) => Node::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Node::Other, Node::Integer)
        }
        DeValue::Float(_) => Node::Float,
        DeValue::Boolean(flag) => Node::Flag(*flag),
        DeValue::Datetime(_) => Node::Other,
        DeValue::Array(array) => {
            let item = |value: &toml::Spanned<DeValue<'_>>| TreeItem {
                origin: at(value.span().start),
                node: node(value.get_ref(), at),
            };
            Node::List(array.iter().map(item).collect())
        }
        DeValue::Table(table) => Node::Table(from_toml(table, at)),
    }
}

/// Lays `upper` over `lower`.
pub(crate) fn merge(lower: &mut TreeTable, upper: TreeTable) {
    for (key, item) in upper {
        match (lower.get_mut(&key).map(|below| &mut below.node), item.node) {
            (Some(Node::Table(below)), Node::Table(above)) => merge(below, above),
            (Some(Node::List(below)), Node::List(above)) if is_tables(below) && is_tables(&above) => {
                below.extend(above);
            }
            (_, node) => {
                lower.insert(key, TreeItem { origin: item.origin, node });
            }
        }
    }
}

fn is_tables(list: &[TreeItem]) -> bool {
    list.iter().all(|item| matches!(item.node, Node::Table(_)))
}
