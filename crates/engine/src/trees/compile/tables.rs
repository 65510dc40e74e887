//! Operators that look categories up, and the map at the end of a classifier.

use inference::onnx::nodes::Node;
use inference::tensor::Datatype;

use super::{Compiler, Symbol, Unsupported, floats, int, ints, texts, unsupported};
use crate::trees::lookup::Keys;
use crate::trees::program::{Op, Place};

/// Integers up to here are floats, too.
const EXACT: u64 = 1 << 24;

impl Compiler<'_> {
    pub(super) fn one_hot(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let table = self.table(node, 0)?.clone();
        if int(node, "zeros").is_some_and(|zeros| zeros != 1) {
            return unsupported("OneHotEncoder that fails on unknown categories is not compiled");
        }
        let keys = keys(texts(node, "cats_strings"), ints(node, "cats_int64s"))?;
        self.fits(node, &table, &keys)?;
        let mut columns = Vec::new();
        for from in table.columns.iter().copied() {
            let to = self.allocate(keys.len())?;
            columns.extend((to..to + keys.len()).map(Place::Slot));
            let keys = keys.clone();
            self.ops.push(Op::OneHot { from, keys, to });
        }
        let dims = vec![table.columns.len(), keys.len()];
        Ok(Symbol::new(Datatype::Fp32, dims, columns))
    }

    pub(super) fn label_encoder(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let symbol = self.input(node, 0)?.clone();
        if symbol.labels.is_some() || symbol.classes.is_some() {
            return unsupported("LabelEncoder of classes is not compiled");
        }
        let keys = keys(texts(node, "keys_strings"), ints(node, "keys_int64s"))?;
        self.fits(node, &symbol, &keys)?;
        let integers = ints(node, "values_int64s");
        let (datatype, values, absent) = if integers.is_empty() {
            let absent = match node.attributes.get("default_float") {
                Some(inference::onnx::nodes::Attribute::Float(absent)) => *absent,
                _ => -0.0,
            };
            (
                Datatype::Fp32,
                floats(node, "values_floats").to_vec(),
                absent,
            )
        } else {
            let absent = int(node, "default_int64").unwrap_or(-1);
            let mut all = integers.iter().chain([&absent]);
            if all.any(|n| n.unsigned_abs() > EXACT) {
                return unsupported("LabelEncoder to large integers is not compiled");
            }
            let values = integers.iter().map(|n| *n as f32).collect();
            (Datatype::Int64, values, absent as f32)
        };
        if values.len() != keys.len() {
            return unsupported("LabelEncoder to such values is not compiled");
        }
        let to = self.allocate(symbol.columns.len())?;
        let places = to..to + symbol.columns.len();
        for (from, to) in symbol.columns.into_iter().zip(places.clone()) {
            self.ops.push(Op::Map {
                from,
                keys: keys.clone(),
                values: values.clone(),
                absent,
                to,
            });
        }
        let columns = places.map(Place::Slot).collect();
        Ok(Symbol::new(datatype, symbol.dims, columns))
    }

    /// Whether keys are of the type that is looked up.
    fn fits(&self, node: &Node<'_>, symbol: &Symbol, keys: &Keys) -> Result<(), Unsupported> {
        let fits = match (symbol.datatype, keys) {
            (Datatype::Bytes, Keys::Text(..)) | (Datatype::Int64, Keys::Int(..)) => true,
            (Datatype::Fp32, Keys::Int(..)) => node.operator == "OneHotEncoder",
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            unsupported(format!(
                "{} of {} is not compiled",
                node.operator, symbol.datatype
            ))
        }
    }

    /// `ZipMap`. ONNX Runtime's maps are ordered by class.
    pub(super) fn zip_map(&self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let mut symbol = self.table(node, 0)?.clone();
        let (words, numbers) = (
            texts(node, "classlabels_strings"),
            ints(node, "classlabels_int64s"),
        );
        let mut order: Vec<usize> = (0..words.len().max(numbers.len())).collect();
        let classes: Vec<String> = if words.is_empty() {
            order.sort_by_key(|index| numbers[*index]);
            numbers.iter().map(i64::to_string).collect()
        } else {
            order.sort_by_key(|index| words[*index]);
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let mut once = classes.clone();
        once.sort_unstable();
        once.dedup();
        let fits = symbol.datatype == Datatype::Fp32 && classes.len() == symbol.columns.len();
        if !fits || once.len() != classes.len() || (!words.is_empty() && !numbers.is_empty()) {
            return unsupported("ZipMap of such classes is not compiled");
        }
        symbol.columns = order.iter().map(|index| symbol.columns[*index]).collect();
        symbol.classes = Some(order.iter().map(|index| classes[*index].clone()).collect());
        Ok(symbol)
    }
}

fn keys(words: &[&str], numbers: &[i64]) -> Result<Keys, Unsupported> {
    let keys = match (words, numbers) {
        ([], [_, ..]) => Keys::int(numbers),
        ([_, ..], []) => Keys::text(words),
        _ => return unsupported("categories that are neither texts nor integers are not compiled"),
    };
    keys.map_or_else(|| unsupported("a category is there twice"), Ok)
}
