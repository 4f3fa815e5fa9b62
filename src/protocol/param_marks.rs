//! Which arguments of a tool clients repeat in headers: the marks `x-mcp-header` in its `inputSchema`. MCP 2026-07-28, Streamable HTTP,
//! "Custom Headers from Tool Parameters".

use super::header::encode_header;
use super::json::{Kind, Site, Value};

/// The mark.
const MARK: &str = "x-mcp-header";

/// What each header's name begins with, as it is compared.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Most marks of one tool: each is a header of every call.
const MOST: usize = 64;

/// Names by which clients would put credentials into a header that whoever stands in between reads, routes by and logs.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// Keywords of JSON Schema whose value is a schema, or a list of them.
pub const SUBSCHEMAS: [&str; 16] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Those whose value is an object of schemas. What else stands in a schema is data, in which a mark would be a word like any other.
const SCHEMAS_BY_NAME: [&str; 5] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"];

/// The marks of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamMarks(Vec<Mark>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    /// The header's name, lower case.
    header: String,
    /// The keys that lead to the argument.
    path: Vec<String>,
}

/// Why the marks of a tool cannot be followed. A client must not show such a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// It is the name of a header that carries credentials.
    #[error("an `x-mcp-header` asks for credentials")]
    Credential,
    /// It is no token of HTTP.
    #[error("an `x-mcp-header` is no name of a header")]
    Name,
    /// Something other than `properties` leads to it, or nothing at all.
    #[error("an `x-mcp-header` stands where no client looks: only `properties` may lead to it")]
    Place,
    /// More than anybody needs.
    #[error("there are too many `x-mcp-header`")]
    TooMany,
    /// Two name the same header.
    #[error("two `x-mcp-header` name the same header")]
    Twice,
    /// It is on something other than one text, integer or truth value.
    #[error("an `x-mcp-header` is on a property that is no string, integer or boolean")]
    Type,
}

impl MarkError {
    /// One word for records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Credential => "mark_credential",
            Self::Name => "mark_name",
            Self::Place => "mark_place",
            Self::TooMany => "mark_too_many",
            Self::Twice => "mark_twice",
            Self::Type => "mark_type",
        }
    }
}

impl ParamMarks {
    /// Those in the `inputSchema` of a tool.
    pub fn of(schema: Option<Value<'_>>) -> Result<Self, MarkError> {
        let mut marks = Self::default();
        // Nearly all schemas have none.
        let has_mark = |schema: &Value<'_>| schema.texts().any(|text| text.site == Site::Key && text.text == MARK);
        if let Some(schema) = schema.filter(has_mark) {
            marks.look(schema, Some(&mut Vec::new()))?;
        }
        Ok(marks)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each header, lower-case name, and the keys that lead to the argument it repeats.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|mark| (mark.header.as_str(), mark.path.as_slice()))
    }

    /// The headers, lower-case name and value, that repeat these arguments. One that is not there, or is null, is not repeated.
    pub fn headers(&self, arguments: Option<Value<'_>>) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(move |mark| {
            let value = mark.path.iter().try_fold(arguments?, |value, key| value.get(key))?;
            let text = match value.kind() {
                Kind::String => value.as_str()?,
                Kind::Bool | Kind::Number => value.raw(),
                // The server has its own word for what its schema does not allow.
                Kind::Array | Kind::Null | Kind::Object => return None,
            };
            Some((mark.header.as_str(), encode_header(text)))
        })
    }

    /// Looks at a schema to which `path` leads; to one without a path no argument belongs. As deep as the parser allows at most.
    fn look(&mut self, schema: Value<'_>, mut path: Option<&mut Vec<String>>) -> Result<(), MarkError> {
        for (keyword, value) in schema.members() {
            let keyword = keyword.as_str().unwrap_or_default();
            if keyword == MARK {
                let path = path.as_deref().filter(|path| !path.is_empty()).ok_or(MarkError::Place)?;
                self.add(value, schema, path)?;
            } else if keyword == "properties" {
                for (name, property) in value.members() {
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.as_str().unwrap_or_default().to_owned());
                        self.look(property, Some(path))?;
                        path.pop();
                    } else {
                        self.look(property, None)?;
                    }
                }
            } else if SUBSCHEMAS.contains(&keyword) {
                self.look(value, None)?;
                value.items().try_for_each(|item| self.look(item, None))?;
            } else if SCHEMAS_BY_NAME.contains(&keyword) {
                value.members().try_for_each(|(_, member)| self.look(member, None))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: Value<'_>, property: Value<'_>, path: &[String]) -> Result<(), MarkError> {
        let name = name.as_str().filter(|name| is_token(name)).ok_or(MarkError::Name)?;
        let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
        if !["boolean", "integer", "string"].contains(&kind) {
            return Err(MarkError::Type);
        }
        if CREDENTIALS.iter().any(|credential| name.eq_ignore_ascii_case(credential)) {
            return Err(MarkError::Credential);
        }
        if self.0.len() >= MOST {
            return Err(MarkError::TooMany);
        }
        let header = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
        if self.0.iter().any(|mark| mark.header == header) {
            return Err(MarkError::Twice);
        }
        self.0.push(Mark { header, path: path.to_vec() });
        Ok(())
    }
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn parse(text: &str) -> Document {
        Document::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default()).unwrap()
    }

    fn marks(schema: &str) -> Result<ParamMarks, MarkError> {
        ParamMarks::of(Some(parse(schema).root()))
    }

    #[test]
    fn marked_arguments_are_repeated_as_they_are_written() {
        let marks = marks(
            r#"{"type":"object","properties":{
                "region":{"type":"string","x-mcp-header":"Region"},
                "n":{"type":"integer","x-mcp-header":"N"},
                "deep":{"type":"object","properties":{"dry":{"type":"boolean","x-mcp-header":"Dry-Run"}}},
                "x-mcp-header":{"type":"string"},
                "plain":{"type":"string","default":{"x-mcp-header":"no mark"}}}}"#,
        )
        .unwrap();
        let headers = |arguments: &str| {
            let document = parse(arguments);
            let headers: Vec<_> = marks.headers(Some(document.root())).map(|(name, value)| format!("{name}: {value}")).collect();
            headers
        };
        assert_eq!(
            headers(r#"{"region":"us-west1","n":-7,"deep":{"dry":true},"plain":"x","x-mcp-header":"y"}"#),
            ["mcp-param-region: us-west1", "mcp-param-n: -7", "mcp-param-dry-run: true"]
        );
        assert_eq!(headers(r#"{"region":"Hello, 世界"}"#), ["mcp-param-region: =?base64?SGVsbG8sIOS4lueVjA==?="]);
        assert_eq!(headers(r#"{"region":"line1\nline2"}"#), ["mcp-param-region: =?base64?bGluZTEKbGluZTI=?="]);
        assert!(headers(r#"{"region":null,"deep":"not an object"}"#).is_empty());
        assert_eq!(marks.headers(None).count(), 0);
    }

    #[test]
    fn marks_that_cannot_be_followed_are_refused() {
        let property = |property: &str| marks(&format!(r#"{{"properties":{{"a":{property}}}}}"#));
        let table = [
            (r#"{"type":"string","x-mcp-header":""}"#, MarkError::Name),
            (r#"{"type":"string","x-mcp-header":"a b"}"#, MarkError::Name),
            (r#"{"type":"string","x-mcp-header":"a\r\nEvil"}"#, MarkError::Name),
            (r#"{"type":"string","x-mcp-header":7}"#, MarkError::Name),
            (r#"{"type":"string","x-mcp-heade\u0072":null}"#, MarkError::Name),
            (r#"{"type":"string","x-mcp-header":"Authorization"}"#, MarkError::Credential),
            (r#"{"type":"string","x-mcp-header":"COOKIE"}"#, MarkError::Credential),
            (r#"{"type":"number","x-mcp-header":"A"}"#, MarkError::Type),
            (r#"{"type":["string","null"],"x-mcp-header":"A"}"#, MarkError::Type),
            (r#"{"x-mcp-header":"A"}"#, MarkError::Type),
            (r#"{"items":{"type":"string","x-mcp-header":"A"}}"#, MarkError::Place),
            (r#"{"items":[{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}]}"#, MarkError::Place),
            (r#"{"anyOf":[{"type":"string","x-mcp-header":"A"}]}"#, MarkError::Place),
        ];
        for (schema, error) in table {
            assert_eq!(property(schema), Err(error), "{schema}");
        }
        assert_eq!(marks(r#"{"type":"string","x-mcp-header":"A"}"#), Err(MarkError::Place), "the root");
        assert_eq!(marks(r#"{"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}"#), Err(MarkError::Place));
        let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}}"#;
        assert_eq!(marks(twice), Err(MarkError::Twice));
        let many = |count: usize| {
            let property = |n: usize| format!(r#""p{n}":{{"type":"string","x-mcp-header":"p{n}"}}"#);
            marks(&format!(r#"{{"properties":{{{}}}}}"#, (0..count).map(property).collect::<Vec<_>>().join(",")))
        };
        assert_eq!(many(MOST).unwrap().iter().count(), MOST);
        assert_eq!(many(MOST + 1), Err(MarkError::TooMany));
    }
}
