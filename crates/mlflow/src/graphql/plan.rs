//! From the text of a query to what it asks for: fragments are resolved, arguments read, and everything checked.

use super::{
    Plan, Root, input,
    schema::{self, Named},
};
use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection,
    SelectionSet, Type, TypeCondition, VariableDefinition,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The limits are MLflow's; fragments count here, too, each time that they are used. Types are not so deep as its limit.
const SELECTIONS: usize = 1000;
const ROOTS: usize = 10;
const ALIASES: usize = 10;
/// Fragments within fragments, of which MLflow has no limit.
const NESTED: usize = 30;
/// Mistakes that are told.
const ERRORS: usize = 100;

type Kind = &'static graphql_parser::schema::ObjectType<'static, String>;
type Known = &'static graphql_parser::schema::Field<'static, String>;

/// A field that was asked for.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) key: String,
    /// The type that has it.
    pub(super) of: &'static str,
    /// None is `__typename`.
    pub(super) field: Option<Known>,
    pub(super) input: Option<Value>,
    pub(super) below: Vec<Chosen>,
}

impl Chosen {
    /// Whether a field of a type is asked for here or below.
    pub(super) fn asks_of(&self, kind: &str, name: &str) -> bool {
        (self.of == kind && self.field.is_some_and(|field| field.name == name))
            || self.below.iter().any(|one| one.asks_of(kind, name))
    }
}

/// An operation of a document.
struct Operation<'d> {
    kind: &'static str,
    name: Option<&'d str>,
    variables: &'d [VariableDefinition<'static, String>],
    directives: &'d [Directive<'static, String>],
    fields: &'d SelectionSet<'static, String>,
}

impl<'d> Operation<'d> {
    fn of(definition: &'d OperationDefinition<'static, String>) -> Self {
        match definition {
            OperationDefinition::SelectionSet(fields) => Operation {
                kind: "Query",
                name: None,
                variables: &[],
                directives: &[],
                fields,
            },
            OperationDefinition::Query(one) => Operation {
                kind: "Query",
                name: one.name.as_deref(),
                variables: &one.variable_definitions,
                directives: &one.directives,
                fields: &one.selection_set,
            },
            OperationDefinition::Mutation(one) => Operation {
                kind: "Mutation",
                name: one.name.as_deref(),
                variables: &one.variable_definitions,
                directives: &one.directives,
                fields: &one.selection_set,
            },
            OperationDefinition::Subscription(one) => Operation {
                kind: "Subscription",
                name: one.name.as_deref(),
                variables: &one.variable_definitions,
                directives: &one.directives,
                fields: &one.selection_set,
            },
        }
    }
}

pub(super) fn plan(
    document: &Document<'static, String>,
    wanted: Option<&str>,
    given: &Map<String, Value>,
) -> Result<Plan, Vec<String>> {
    let (mut operations, mut fragments) = (Vec::new(), BTreeMap::new());
    for definition in &document.definitions {
        match definition {
            Definition::Operation(one) => operations.push(Operation::of(one)),
            Definition::Fragment(one) => {
                if fragments.insert(one.name.as_str(), one).is_some() {
                    return Err(vec![format!(
                        "There can be only one fragment named '{}'.",
                        one.name
                    )]);
                }
            }
        }
    }
    named_apart(&operations)?;
    let single = operations.len() == 1;
    let operation = match wanted {
        Some(wanted) => operations
            .into_iter()
            .find(|one| one.name == Some(wanted))
            .ok_or_else(|| format!("Unknown operation named '{wanted}'.")),
        None if single => operations
            .pop()
            .ok_or_else(|| "Must provide an operation.".to_owned()),
        None => {
            Err("Must provide operation name if query contains multiple operations.".to_owned())
        }
    };
    let operation = operation.map_err(|error| vec![error])?;
    let Some(kind) = schema::object(operation.kind) else {
        return Err(vec![
            "Schema is not configured to execute subscription operation.".to_owned(),
        ]);
    };
    let mut planner = Planner {
        fragments,
        ..Planner::default()
    };
    planner.directives(
        operation
            .directives
            .iter()
            .filter(|one| one.name != "component"),
    );
    planner.variables(operation.variables, given);
    let chosen = planner.level(kind, operation.fields, true);
    let count = planner.roots;
    if count > ROOTS {
        return Err(vec![format!(
            "GraphQL queries should have at most {ROOTS} root fields, got {count} root fields."
        )]);
    }
    planner.unused(&operation, single);
    planner.verdict()?;
    let roots = chosen.into_iter().map(|chosen| Root { chosen });
    Ok(Plan {
        roots: roots.collect(),
    })
}

/// Fails unless each of several operations has a name of its own.
fn named_apart(operations: &[Operation<'_>]) -> Result<(), Vec<String>> {
    let mut names = BTreeSet::new();
    for one in operations {
        let wrong = match one.name {
            None if operations.len() > 1 => {
                "This anonymous operation must be the only defined operation.".to_owned()
            }
            Some(name) if !names.insert(name) => {
                format!("There can be only one operation named '{name}'.")
            }
            _ => continue,
        };
        return Err(vec![wrong]);
    }
    Ok(())
}

/// A variable: its type, unless nobody knows that, and its value.
struct Variable<'d> {
    of: Option<&'d Named>,
    value: Value,
}

#[derive(Default)]
struct Planner<'d> {
    fragments: BTreeMap<&'d str, &'d FragmentDefinition<'static, String>>,
    variables: BTreeMap<&'d str, Variable<'d>>,
    used: BTreeSet<String>,
    spread: BTreeSet<&'d str>,
    /// The fragments around the selection; those without a name are empty.
    within: Vec<&'d str>,
    roots: usize,
    selections: usize,
    /// What is too much of it.
    limit: Option<String>,
    /// What is wrong by the types.
    errors: Vec<String>,
    /// What is wrong with the values of variables.
    values: Vec<String>,
}

impl<'d> Planner<'d> {
    fn verdict(self) -> Result<(), Vec<String>> {
        match (self.limit, self.errors, self.values) {
            (Some(limit), ..) => Err(vec![limit]),
            (None, errors, _) if !errors.is_empty() => Err(errors),
            (None, _, values) if !values.is_empty() => Err(values),
            _ => Ok(()),
        }
    }

    /// Notes a mistake; after so many nobody reads on.
    fn wrong(&mut self, error: String) {
        if self.errors.len() < ERRORS {
            self.errors.push(error);
        }
    }

    /// Whether there is nothing to be gained by reading on.
    fn enough(&self) -> bool {
        self.limit.is_some() || self.errors.len() >= ERRORS
    }

    fn directives<'a>(&mut self, all: impl IntoIterator<Item = &'a Directive<'static, String>>) {
        for one in all {
            self.wrong(format!("Unknown directive '@{}'.", one.name));
        }
    }

    fn variables(
        &mut self,
        all: &'d [VariableDefinition<'static, String>],
        given: &Map<String, Value>,
    ) {
        for one in all {
            let name = one.name.as_str();
            if self.variables.contains_key(name) {
                self.wrong(format!("There can be only one variable named '${name}'."));
            } else {
                let variable = self.variable(one, given.get(name));
                self.variables.insert(name, variable);
            }
        }
    }

    fn variable(
        &mut self,
        one: &'d VariableDefinition<'static, String>,
        given: Option<&Value>,
    ) -> Variable<'d> {
        let (name, of) = (one.name.as_str(), &one.var_type);
        let inner = schema::innermost(of);
        if !schema::is_known(inner) {
            self.wrong(format!("Unknown type '{inner}'."));
            return Variable {
                of: None,
                value: Value::Null,
            };
        }
        if schema::object(inner).is_some() {
            self.wrong(format!(
                "Variable '${name}' cannot be non-input type '{of}'."
            ));
        }
        let value = match (given, &one.default_value) {
            (Some(Value::Null), _) if matches!(of, Type::NonNullType(_)) => Err(format!(
                "Variable '${name}' of non-null type '{of}' must not be null."
            )),
            (Some(value), _) => input::given(of, value).map_err(|wrong| wrong.of(name)),
            (None, Some(default)) => input::literal(of, default, &mut |name, _| {
                Err(format!("Variable '${name}' is not defined."))
            }),
            (None, None) if matches!(of, Type::NonNullType(_)) => Err(format!(
                "Variable '${name}' of required type '{of}' was not provided."
            )),
            (None, None) => Ok(Value::Null),
        };
        let value = value.unwrap_or_else(|error| {
            if self.values.len() < ERRORS {
                self.values.push(error);
            }
            Value::Null
        });
        Variable {
            of: Some(of),
            value,
        }
    }

    /// The fields of one level, and all below them.
    fn level(
        &mut self,
        of: Kind,
        set: &'d SelectionSet<'static, String>,
        top: bool,
    ) -> Vec<Chosen> {
        let (mut chosen, mut aliases) = (Vec::new(), 0);
        self.choose(of, set, top, &mut aliases, &mut chosen);
        if aliases > ALIASES {
            self.limit = Some(format!(
                "GraphQL queries should have at most {ALIASES} aliases, got {aliases} aliases."
            ));
        }
        chosen
    }

    fn choose(
        &mut self,
        of: Kind,
        set: &'d SelectionSet<'static, String>,
        top: bool,
        aliases: &mut usize,
        chosen: &mut Vec<Chosen>,
    ) {
        for selection in &set.items {
            if self.enough() {
                return;
            }
            self.selections += 1;
            if self.selections > SELECTIONS {
                self.limit = Some(format!(
                    "Query exceeds maximum total selections of {SELECTIONS}"
                ));
                return;
            }
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    self.roots += usize::from(top);
                    *aliases += usize::from(field.alias.is_some());
                    if let Some(one) = self.field(of, field) {
                        self.merge(chosen, one);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    let name = spread.fragment_name.as_str();
                    self.spread.insert(name);
                    let Some(fragment) = self.fragments.get(name).copied() else {
                        self.wrong(format!("Unknown fragment '{name}'."));
                        continue;
                    };
                    if self.within.contains(&name) {
                        self.wrong(format!("Cannot spread fragment '{name}' within itself."));
                        continue;
                    }
                    let TypeCondition::On(condition) = &fragment.type_condition;
                    if self.fits(&format!("Fragment '{name}'"), of, condition) && self.enter(name) {
                        self.choose(of, &fragment.selection_set, top, aliases, chosen);
                        self.within.pop();
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    let fits = match &inline.type_condition {
                        Some(TypeCondition::On(condition)) => self.fits("Fragment", of, condition),
                        None => true,
                    };
                    if fits && self.enter("") {
                        self.choose(of, &inline.selection_set, top, aliases, chosen);
                        self.within.pop();
                    }
                }
            }
        }
    }

    /// Goes into a fragment, unless too many are around it already.
    fn enter(&mut self, name: &'d str) -> bool {
        let fine = self.within.len() < NESTED;
        if fine {
            self.within.push(name);
        } else {
            self.wrong(format!("More than {NESTED} fragments are in each other."));
        }
        fine
    }

    /// Whether what is for a type can stand in another.
    fn fits(&mut self, what: &str, of: Kind, condition: &str) -> bool {
        if !schema::is_known(condition) {
            self.wrong(format!("Unknown type '{condition}'."));
        } else if condition != of.name {
            self.wrong(format!(
                "{what} cannot be spread here as objects of type '{}' can never be of type '{condition}'.",
                of.name
            ));
        }
        condition == of.name
    }

    fn field(&mut self, of: Kind, asked: &'d Field<'static, String>) -> Option<Chosen> {
        let key = asked.alias.as_ref().unwrap_or(&asked.name).clone();
        let of_name = of.name.as_str();
        if asked.name == "__typename" {
            return Some(Chosen {
                key,
                of: of_name,
                field: None,
                input: None,
                below: Vec::new(),
            });
        }
        let name = asked.name.as_str();
        let Some(field) = of.fields.iter().find(|field| field.name == name) else {
            self.wrong(format!("Cannot query field '{name}' on type '{of_name}'."));
            return None;
        };
        let (inner, empty) = (
            schema::innermost(&field.field_type),
            asked.selection_set.items.is_empty(),
        );
        let below = match schema::object(inner) {
            Some(kind) if !empty => self.level(kind, &asked.selection_set, false),
            Some(_) => {
                self.wrong(format!(
                    "Field '{name}' of type '{}' must have a selection of subfields. Did you mean '{name} {{ ... }}'?",
                    field.field_type
                ));
                Vec::new()
            }
            None if empty => Vec::new(),
            None => {
                self.wrong(format!(
                    "Field '{name}' must not have a selection since type '{}' has no subfields.",
                    field.field_type
                ));
                Vec::new()
            }
        };
        Some(Chosen {
            key,
            of: of_name,
            field: Some(field),
            input: self.argument(of_name, field, asked),
            below,
        })
    }

    /// The value of a field's argument; none has two.
    fn argument(
        &mut self,
        of: &str,
        field: Known,
        asked: &'d Field<'static, String>,
    ) -> Option<Value> {
        let mut input = None;
        let mut seen = BTreeSet::new();
        // What is too much is counted, no more.
        let read = self.roots <= ROOTS;
        for (name, value) in asked.arguments.iter().filter(|_| read) {
            if self.enough() {
                break;
            }
            if !seen.insert(name) {
                self.wrong(format!("There can be only one argument named '{name}'."));
                continue;
            }
            let Some(known) = field.arguments.iter().find(|known| known.name == *name) else {
                self.wrong(format!(
                    "Unknown argument '{name}' on field '{of}.{}'.",
                    field.name
                ));
                continue;
            };
            let (used, variables) = (&mut self.used, &self.variables);
            let read = input::literal(&known.value_type, value, &mut |name, expected| {
                used.insert(name.to_owned());
                let Some(Variable { of, value }) = variables.get(name) else {
                    return Err(format!("Variable '${name}' is not defined."));
                };
                match of.is_none_or(|of| stands_for(of, expected)) {
                    true => Ok(value.clone()),
                    false => Err(format!(
                        "Variable '${name}' of type '{}' used in position expecting type '{expected}'.",
                        of.map(ToString::to_string).unwrap_or_default(),
                    )),
                }
            });
            match read {
                Ok(Value::Null) => {}
                Ok(value) => input = Some(value),
                Err(error) => self.wrong(error),
            }
        }
        input
    }

    /// Adds a field; one that is there under the same name is the same.
    fn merge(&mut self, chosen: &mut Vec<Chosen>, one: Chosen) {
        let Some(known) = chosen.iter_mut().find(|known| known.key == one.key) else {
            chosen.push(one);
            return;
        };
        let name = |chosen: &Chosen| -> &'static str {
            chosen
                .field
                .map_or("__typename", |field| field.name.as_str())
        };
        let why = match (name(known), name(&one)) {
            (a, b) if a != b => format!("'{a}' and '{b}' are different fields"),
            _ if known.input != one.input => "they have differing arguments".to_owned(),
            _ => {
                for below in one.below {
                    self.merge(&mut known.below, below);
                }
                return;
            }
        };
        self.wrong(format!(
            "Fields '{}' conflict because {why}. Use different aliases on the fields to fetch both if this was intentional.",
            one.key
        ));
    }

    /// What is there for nothing. Other operations may need fragments that this one does not.
    fn unused(&mut self, operation: &Operation<'d>, single: bool) {
        let fragments = self.fragments.keys().filter(|_| single);
        let fragments = fragments.filter(|name| !self.spread.contains(*name));
        let fragments = fragments.map(|name| format!("Fragment '{name}' is never used."));
        let place = operation
            .name
            .map(|name| format!(" in operation '{name}'"))
            .unwrap_or_default();
        let variables = self
            .variables
            .keys()
            .filter(|name| !self.used.contains(**name));
        let variables = variables.map(|name| format!("Variable '${name}' is never used{place}."));
        let unused: Vec<_> = fragments.chain(variables).take(ERRORS).collect();
        unused.into_iter().for_each(|one| self.wrong(one));
    }
}

/// Whether a variable of one type can stand where another is expected; what is never null can stand for what may be.
fn stands_for(of: &Named, expected: &Named) -> bool {
    match (of, expected) {
        (Type::NonNullType(of), Type::NonNullType(expected)) => stands_for(of, expected),
        (Type::NonNullType(of), _) => stands_for(of, expected),
        (Type::ListType(of), Type::ListType(expected)) => stands_for(of, expected),
        _ => of == expected,
    }
}
