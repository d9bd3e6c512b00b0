//! Does JSON match its description, as far as the description of the API goes?

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The description of the API.
#[derive(Debug)]
pub(crate) struct Description(pub(crate) Value);

/// Properties that an object may have.
enum Known {
    All,
    These(BTreeSet<String>),
}

type Fits = Result<Known, String>;

impl Description {
    pub(crate) fn new(json: &str) -> Self {
        Self(serde_json::from_str(json).unwrap())
    }

    /// What is said, or what is pointed to.
    pub(crate) fn resolve<'a>(&'a self, said: &'a Value) -> &'a Value {
        match said["$ref"].as_str() {
            Some(there) => self.0.pointer(there.trim_start_matches('#')).unwrap(),
            None => said,
        }
    }

    /// The template of a path.
    pub(crate) fn template(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        // A name may be empty where something comes behind it.
        let last = parts.last().is_some_and(|last| !last.is_empty());
        let fits = |template: &&String| {
            let theirs: Vec<&str> = template.split('/').collect();
            theirs.len() == parts.len()
                && last
                && theirs.iter().zip(&parts).all(|(t, part)| t == part || t.starts_with('{'))
        };
        self.0["paths"].as_object().unwrap().keys().find(fits).map(String::as_str)
    }

    /// What is said of an answer with this status to this method on this path, if anything.
    pub(crate) fn response(&self, method: &str, path: &str, status: u16) -> Option<&Value> {
        let operation = &self.0["paths"][self.template(path)?][method.to_lowercase()];
        let response = &operation["responses"][status.to_string()];
        (!response.is_null()).then(|| self.resolve(response))
    }

    /// Whether a JSON answer is as it is described; an answer of no operation is a reason.
    pub(crate) fn answers(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Result<(), String> {
        let template = self.template(path);
        let known = template.is_some_and(|t| !self.0["paths"][t][method.to_lowercase()].is_null());
        let reason = Value::from(Map::from_iter([(
            "$ref".to_owned(),
            "#/components/schemas/Answer_Problem".into(),
        )]));
        let shape = if known {
            let response = self.response(method, path, status);
            let response = response.ok_or_else(|| format!("status {status} is not described"))?;
            &response["content"]["application/json"]["schema"]
        } else {
            let expected = if template.is_some() { 405 } else { 404 };
            // What a browser sends is refused before the path is looked at.
            if ![expected, 401].contains(&status) {
                return Err(format!("status {status} where nothing is"));
            }
            &reason
        };
        self.fits(shape, body)
    }

    /// Whether the value is as the shape says, and has nothing that is not described.
    pub(crate) fn fits(&self, shape: &Value, value: &Value) -> Result<(), String> {
        match (self.check(shape, value)?, value) {
            (Known::These(known), Value::Object(members)) => {
                match members.keys().find(|name| !known.contains(*name)) {
                    Some(name) => Err(format!("`{name}` is not described: {value}")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn check(&self, shape: &Value, value: &Value) -> Fits {
        let Value::Object(words) = shape else { return Err(format!("no shape: {shape}")) };
        let mut known = BTreeSet::new();
        let mut all = words.keys().all(|word| word == "description");
        let mut also = |more: Known| match more {
            Known::All => all = true,
            Known::These(more) => known.extend(more),
        };
        for (word, said) in words {
            match word.as_str() {
                "$ref" => also(self.check(self.resolve(shape), value)?),
                "allOf" => {
                    for part in said.as_array().unwrap() {
                        also(self.check(part, value)?);
                    }
                }
                "oneOf" => {
                    let parts = said.as_array().unwrap().iter();
                    let mut fit = parts.filter(|part| self.fits(part, value).is_ok());
                    match (fit.next(), fit.next()) {
                        (Some(part), None) => also(self.check(part, value)?),
                        _ => return Err(format!("not one of {said}: {value}")),
                    }
                }
                "properties" => {
                    for (name, shape) in said.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            self.fits(shape, member).map_err(|why| format!("{name}: {why}"))?;
                        }
                    }
                    also(Known::These(said.as_object().unwrap().keys().cloned().collect()));
                }
                "additionalProperties" if said.is_object() => {
                    let described = words.get("properties").and_then(Value::as_object);
                    for (name, member) in value.as_object().into_iter().flatten() {
                        if described.is_none_or(|described| !described.contains_key(name)) {
                            self.fits(said, member)?;
                        }
                    }
                    also(Known::All);
                }
                "items" => {
                    for value in value.as_array().into_iter().flatten() {
                        self.fits(said, value)?;
                    }
                }
                word if !fits_word(word, said, value) => {
                    return Err(format!("{word} is not {said}: {value}"));
                }
                _ => {}
            }
        }
        Ok(if all { Known::All } else { Known::These(known) })
    }
}

/// Whether a value is as one word of a shape wants it.
fn fits_word(word: &str, said: &Value, value: &Value) -> bool {
    let text = value.as_str();
    match word {
        "type" => is_of(said, value),
        "required" => {
            let mut names = said.as_array().unwrap().iter().filter_map(Value::as_str);
            value.as_object().is_none_or(|members| names.all(|name| members.contains_key(name)))
        }
        "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
        "pattern" => {
            let pattern = regex::Regex::new(said.as_str().unwrap()).unwrap();
            text.is_none_or(|text| pattern.is_match(text))
        }
        "enum" => said.as_array().unwrap().contains(value),
        "maxLength" => text.is_none_or(|text| text.len() as u64 <= said.as_u64().unwrap()),
        // Words for people, and what `fits` sees to.
        "description"
        | "example"
        | "format"
        | "default"
        | "propertyNames"
        | "additionalProperties" => true,
        word => panic!("the tests don't know what `{word}` means in a shape"),
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    if let Some(kinds) = kind.as_array() {
        return kinds.iter().any(|kind| is_of(kind, value));
    }
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        kind => panic!("the tests don't know the type `{kind}`"),
    }
}
