//! Something that is wrong with what people gave us, said so that they can mend it.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing may start with it: exit code 2.
    Error,
    /// The program runs, but a reader must know.
    Finding,
}

/// What sort of mistake it is, where a reader acts on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nature {
    #[default]
    Invalid,
    /// What is referred to is not there, or has nothing behind it.
    NotFound,
    /// What is referred to does not allow it.
    NotPermitted,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub severity: Severity,
    pub nature: Nature,
    /// File (and document) that it was read from.
    pub file: Option<String>,
    /// `Kind namespace/name`.
    pub object: Option<String>,
    /// Path of the field in its object, as in `spec.via[0].name`.
    pub field: Option<String>,
    pub what: String,
    /// What to do.
    pub cure: String,
}

impl Problem {
    pub fn error(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            nature: Nature::default(),
            file: None,
            object: None,
            field: None,
            what: what.into(),
            cure: cure.into(),
        }
    }

    pub fn finding(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { severity: Severity::Finding, ..Self::error(what, cure) }
    }

    #[must_use]
    pub fn at(mut self, file: impl AsRef<str>) -> Self {
        self.file = Some(file.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn of(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    #[must_use]
    pub fn being(mut self, nature: Nature) -> Self {
        self.nature = nature;
        self
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        let field = field.into();
        self.field = (!field.is_empty()).then_some(field);
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [&self.file, &self.object, &self.field].into_iter().flatten() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        if !self.cure.is_empty() {
            write!(f, " ({})", self.cure)?;
        }
        Ok(())
    }
}

/// All problems at once, one a line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}
