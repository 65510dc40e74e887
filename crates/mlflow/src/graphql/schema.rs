//! The types, read from their text once.

use graphql_parser::schema::{
    Definition, EnumType, InputObjectType, ObjectType, Type, TypeDefinition, parse_schema,
};
use std::{collections::BTreeMap, sync::LazyLock};

const TEXT: &str = include_str!("schema.graphql");

pub(super) type Named = Type<'static, String>;
type Types = BTreeMap<String, TypeDefinition<'static, String>>;

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let Ok(schema) = parse_schema::<String>(TEXT) else {
        return Types::new();
    };
    let types = schema
        .into_static()
        .definitions
        .into_iter()
        .filter_map(|one| match one {
            Definition::TypeDefinition(one) => Some((name(&one).to_owned(), one)),
            _ => None,
        });
    types.collect()
});

fn name<'a>(one: &'a TypeDefinition<'static, String>) -> &'a str {
    match one {
        TypeDefinition::Scalar(one) => &one.name,
        TypeDefinition::Object(one) => &one.name,
        TypeDefinition::Interface(one) => &one.name,
        TypeDefinition::Union(one) => &one.name,
        TypeDefinition::Enum(one) => &one.name,
        TypeDefinition::InputObject(one) => &one.name,
    }
}

pub(super) fn object(name: &str) -> Option<&'static ObjectType<'static, String>> {
    match TYPES.get(name)? {
        TypeDefinition::Object(object) => Some(object),
        _ => None,
    }
}

pub(super) fn input(name: &str) -> Option<&'static InputObjectType<'static, String>> {
    match TYPES.get(name)? {
        TypeDefinition::InputObject(input) => Some(input),
        _ => None,
    }
}

pub(super) fn words(name: &str) -> Option<&'static EnumType<'static, String>> {
    match TYPES.get(name)? {
        TypeDefinition::Enum(words) => Some(words),
        _ => None,
    }
}

pub(super) fn is_known(name: &str) -> bool {
    TYPES.contains_key(name)
}

/// The innermost type, without lists and what must not be null.
pub(super) fn innermost(mut of: &Named) -> &str {
    loop {
        match of {
            Type::NamedType(name) => return name,
            Type::ListType(inner) | Type::NonNullType(inner) => of = inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        parse_schema::<String>(TEXT).unwrap();
        assert_eq!(
            TYPES.len(),
            TEXT.lines()
                .filter(|line| {
                    ["type ", "enum ", "input ", "scalar "]
                        .iter()
                        .any(|kind| line.starts_with(kind))
                })
                .count()
        );
        for one in TYPES.values() {
            let named: Vec<&str> = match one {
                TypeDefinition::Object(one) => {
                    let arguments = one.fields.iter().flat_map(|field| &field.arguments);
                    let fields = one.fields.iter().map(|field| innermost(&field.field_type));
                    fields
                        .chain(arguments.map(|one| innermost(&one.value_type)))
                        .collect()
                }
                TypeDefinition::InputObject(one) => one
                    .fields
                    .iter()
                    .map(|field| innermost(&field.value_type))
                    .collect(),
                _ => Vec::new(),
            };
            for name in named {
                assert!(is_known(name), "{name}");
            }
        }
    }
}
