//! The fields of the built-in types. `types.txt` has a line for each type: its name, for an object of its own
//! `@apiVersion/Kind`, then its fields. What follows a field's colon is the type of its value: a name, `[…]` a list,
//! `{…}` a map, `*` anything; without one it is a plain value.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::lint::near::nearest;

const TABLE: &str = include_str!("types.txt");

/// What the SDK adds. An object of any kind has these fields and any others.
const SDK: &str = "= sdk
KubernetesObject apiVersion kind metadata:meta/v1.ObjectMeta *:*
PodContainer container:core/v1.Container field kind image
";

pub(in crate::lint) type TypeId = usize;

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lint) enum Shape {
    /// Nothing.
    Any,
    /// Text, a number, a boolean.
    Plain,
    /// An object of one of these types.
    Of(Vec<TypeId>),
    List(Box<Shape>),
    Map(Box<Shape>),
}

struct Type {
    module: &'static str,
    name: &'static str,
    fields: HashMap<&'static str, &'static str>,
}

pub(in crate::lint) struct Types {
    all: Vec<Type>,
    by_name: HashMap<(&'static str, &'static str), TypeId>,
    by_kind: HashMap<&'static str, TypeId>,
    aliases: HashMap<(&'static str, &'static str), &'static str>,
}

pub(in crate::lint) fn types() -> &'static Types {
    static TYPES: LazyLock<Types> = LazyLock::new(|| Types::parse(&[TABLE, SDK]));
    &TYPES
}

/// Every object has them, by its prototype.
const OF_OBJECTS: [&str; 7] =
    ["constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"];

const OF_LISTS: &[&str] = &[
    "at",
    "concat",
    "copyWithin",
    "entries",
    "every",
    "fill",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flat",
    "flatMap",
    "forEach",
    "includes",
    "indexOf",
    "join",
    "keys",
    "lastIndexOf",
    "length",
    "map",
    "pop",
    "push",
    "reduce",
    "reduceRight",
    "reverse",
    "shift",
    "slice",
    "some",
    "sort",
    "splice",
    "toReversed",
    "toSorted",
    "toSpliced",
    "unshift",
    "values",
    "with",
];

impl Types {
    fn parse(tables: &[&'static str]) -> Self {
        let mut parsed =
            Self { all: Vec::new(), by_name: HashMap::new(), by_kind: HashMap::new(), aliases: HashMap::new() };
        for table in tables {
            let mut module = "";
            for line in table.lines() {
                if let Some(name) = line.strip_prefix("= ") {
                    module = name;
                } else if let Some((name, meaning)) = line.split_once(" = ") {
                    parsed.aliases.insert((module, name), meaning);
                } else {
                    parsed.add(module, line);
                }
            }
        }
        parsed
    }

    fn add(&mut self, module: &'static str, line: &'static str) {
        let mut words = line.split(' ');
        let head = words.next().unwrap_or_default();
        let (name, kind) = head.split_once('@').map_or((head, None), |(name, kind)| (name, Some(kind)));
        let fields = words.map(|word| word.split_once(':').unwrap_or((word, ""))).collect();
        let id = self.all.len();
        self.all.push(Type { module, name, fields });
        self.by_name.insert((module, name), id);
        if let Some(kind) = kind {
            self.by_kind.insert(kind, id);
        }
    }

    /// The type of a kind such as `apps/v1/Deployment`.
    pub(in crate::lint) fn kind(&self, kind: &str) -> Option<Shape> {
        self.by_kind.get(kind).map(|id| Shape::Of(vec![*id]))
    }

    /// A type by its module and name: `core/v1` and `Pod`.
    pub(in crate::lint) fn named(&self, module: &str, name: &str) -> Option<Shape> {
        let found = self.by_name.iter().find(|((home, known), _)| *home == module && *known == name);
        found.map(|(_, id)| Shape::Of(vec![*id]))
    }

    /// What every object has, whatever its kind.
    pub(in crate::lint) fn any_object(&self) -> Shape {
        self.named("sdk", "KubernetesObject").unwrap_or(Shape::Any)
    }

    /// The name of a type, for messages.
    pub(in crate::lint) fn name(&self, id: TypeId) -> &'static str {
        self.all.get(id).map_or("", |of| of.name)
    }

    /// What a field holds; `None` where there certainly is no such field.
    pub(in crate::lint) fn field(&self, shape: &Shape, name: &str) -> Option<Shape> {
        match shape {
            Shape::Any | Shape::Plain => Some(Shape::Any),
            Shape::Map(value) => Some((**value).clone()),
            Shape::List(item) if name.bytes().all(|byte| byte.is_ascii_digit()) => Some((**item).clone()),
            Shape::List(_) => (OF_LISTS.contains(&name) || OF_OBJECTS.contains(&name)).then_some(Shape::Any),
            Shape::Of(types) => {
                let found: Vec<Shape> = types.iter().filter_map(|id| self.field_of(*id, name)).collect();
                match joined(found) {
                    None if OF_OBJECTS.contains(&name) => Some(Shape::Any),
                    found => found,
                }
            }
        }
    }

    fn field_of(&self, id: TypeId, name: &str) -> Option<Shape> {
        let of = self.all.get(id)?;
        let written = of.fields.get(name).or_else(|| of.fields.get("*"))?;
        Some(self.shape(of.module, written))
    }

    /// The field that was most likely meant, if it is one alone.
    pub(in crate::lint) fn near(&self, shape: &Shape, name: &str) -> Option<&'static str> {
        let Shape::Of(types) = shape else { return None };
        let known = types.iter().filter_map(|id| self.all.get(*id)).flat_map(|of| of.fields.keys().copied());
        nearest(name, known.filter(|field| *field != "*"))
    }

    /// The names of the types, for messages.
    pub(in crate::lint) fn told(&self, shape: &Shape) -> String {
        match shape {
            Shape::Of(types) => types.iter().map(|id| self.name(*id)).collect::<Vec<_>>().join(" or "),
            Shape::List(item) => match &**item {
                Shape::Of(_) => format!("a list of {}", self.told(item)),
                _ => "a list".to_owned(),
            },
            Shape::Map(_) => "a map".to_owned(),
            Shape::Any | Shape::Plain => "a value".to_owned(),
        }
    }

    fn shape(&self, module: &'static str, written: &'static str) -> Shape {
        let inner = |open: char, close: char| written.strip_prefix(open)?.strip_suffix(close);
        if let Some(item) = inner('[', ']') {
            return Shape::List(Box::new(self.shape(module, item)));
        }
        if let Some(value) = inner('{', '}') {
            return Shape::Map(Box::new(self.shape(module, value)));
        }
        match written {
            "" | "-" => Shape::Plain,
            "*" => Shape::Any,
            name => {
                let (module, name) = name.split_once('.').unwrap_or((module, name));
                match (self.by_name.get(&(module, name)), self.aliases.get(&(module, name))) {
                    (Some(id), _) => Shape::Of(vec![*id]),
                    (None, Some(meaning)) => self.shape(module, meaning),
                    (None, None) => Shape::Any,
                }
            }
        }
    }
}

/// What a value is that is one of these; `None` for none.
pub(in crate::lint) fn joined(shapes: Vec<Shape>) -> Option<Shape> {
    let mut shapes = shapes.into_iter();
    let first = shapes.next()?;
    Some(shapes.fold(first, join))
}

fn join(left: Shape, right: Shape) -> Shape {
    match (left, right) {
        (left, right) if left == right => left,
        (Shape::Of(mut types), Shape::Of(more)) => {
            for id in more {
                if !types.contains(&id) {
                    types.push(id);
                }
            }
            Shape::Of(types)
        }
        (Shape::List(left), Shape::List(right)) => Shape::List(Box::new(join(*left, *right))),
        (Shape::Map(left), Shape::Map(right)) => Shape::Map(Box::new(join(*left, *right))),
        _ => Shape::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(kind: &str, path: &str) -> Option<Shape> {
        path.split('.').try_fold(types().kind(kind)?, |shape, name| types().field(&shape, name))
    }

    #[test]
    fn fields_are_followed_through_types_lists_and_maps() {
        assert_eq!(path("v1/Pod", "spec.hostNetwork"), Some(Shape::Plain));
        assert_eq!(path("v1/Pod", "spec.containers.0.securityContext.privileged"), Some(Shape::Plain));
        assert_eq!(path("apps/v1/Deployment", "spec.template.spec.containers.length"), Some(Shape::Any));
        assert_eq!(path("v1/Pod", "metadata.labels.app"), Some(Shape::Plain));
        assert_eq!(path("v1/Pod", "metadata.creationTimestamp"), Some(Shape::Plain));
        assert_eq!(path("v1/Pod", "spec.hasOwnProperty"), Some(Shape::Any));
    }

    #[test]
    fn what_is_no_field_is_known_not_to_be_one_and_a_near_name_is_found() {
        assert_eq!(path("v1/Pod", "spec.hostNetwrok"), None);
        assert_eq!(path("v1/Pod", "spec.containers.image"), None);
        let spec = path("v1/Pod", "spec").unwrap();
        assert_eq!(types().near(&spec, "hostNetwrok"), Some("hostNetwork"));
        assert_eq!(types().near(&spec, "nothingLikeIt"), None);
        assert_eq!(types().told(&spec), "PodSpec");
    }

    #[test]
    fn of_several_kinds_one_that_has_the_field_is_enough() {
        let both = joined(vec![types().kind("v1/Pod").unwrap(), types().kind("v1/Service").unwrap()]).unwrap();
        let spec = types().field(&both, "spec").unwrap();
        assert_eq!(types().field(&spec, "clusterIP"), Some(Shape::Plain));
        assert_eq!(types().field(&spec, "hostPID"), Some(Shape::Plain));
        assert_eq!(types().field(&spec, "replicas"), None);
    }

    #[test]
    fn an_object_of_any_kind_has_metadata_and_whatever_else() {
        let any = types().any_object();
        assert_eq!(types().field(&any, "spec"), Some(Shape::Any));
        let metadata = types().field(&any, "metadata").unwrap();
        assert_eq!(types().field(&metadata, "lables"), None);
    }
}
