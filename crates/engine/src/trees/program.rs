//! What a graph is compiled into: operations over the slots of a row, and where outputs come from.
//!
//! A slot is a column of 32-bit floats; integers that fit are kept in one, too. Texts stay where the
//! request has them and are only ever looked up.

use inference::tensor::Datatype;

use super::arithmetic::{Change, Norm};
use super::ensemble::Ensemble;
use super::lookup::Keys;

/// Where the value of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Column `column` of input `input`.
    Input { input: usize, column: usize },
    /// A slot.
    Slot(usize),
}

/// One operation, for every row.
#[derive(Debug)]
pub(super) enum Op {
    /// Columns of an input into slots side by side.
    Load {
        input: usize,
        column: usize,
        to: usize,
        count: usize,
    },
    /// Slots changed one by one into slots side by side.
    Change {
        from: Vec<usize>,
        changes: Vec<Change>,
        to: usize,
    },
    /// The same change of each slot, into slots side by side.
    Same {
        from: Vec<usize>,
        change: Change,
        to: usize,
    },
    /// Slots copied side by side and scaled as one row.
    Normalize {
        norm: Norm,
        from: Vec<usize>,
        to: usize,
    },
    /// 1 at the place of the category, 0 in the other slots of its list.
    OneHot { from: Place, keys: Keys, to: usize },
    /// The value beside the category, or `absent`.
    Map {
        from: Place,
        keys: Keys,
        values: Vec<f32>,
        absent: f32,
        to: usize,
    },
    /// An ensemble.
    Trees(Box<Ensemble>),
}

/// What an input must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputShape {
    pub(super) datatype: Datatype,
    /// Whether a row is a value without a dimension of its own.
    pub(super) flat: bool,
    /// Elements of a row.
    pub(super) width: usize,
    /// How many rows there must be, if the graph says.
    pub(super) rows: Option<usize>,
}

/// Labels of an ensemble's classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Labels {
    Int(Vec<i64>),
    Text(Vec<String>),
}

/// Where an output comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) content: Content,
    /// Its dimensions behind the batch.
    pub(super) dims: Vec<usize>,
}

/// What an output holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Floats.
    Floats(Vec<usize>),
    /// Classes, as slots with their places.
    Labels { slot: usize, labels: Labels },
    /// A map from these classes to floats, per row.
    Map {
        slots: Vec<usize>,
        classes: Vec<String>,
    },
}

/// A compiled graph.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) inputs: Vec<InputShape>,
    /// How many slots a row has.
    pub(super) slots: usize,
    pub(super) ops: Vec<Op>,
    pub(super) outputs: Vec<Source>,
}

impl Program {
    /// Trees and their nodes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let ensembles = self.ops.iter().filter_map(|op| match op {
            Op::Trees(ensemble) => Some(&ensemble.forest),
            _ => None,
        });
        ensembles.fold((0, 0), |(trees, nodes), forest| {
            (trees + forest.roots().len(), nodes + forest.nodes())
        })
    }
}
