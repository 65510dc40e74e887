//! Inputs that a model is verified with, made from its own thresholds and categories.

use inference::tensor::{Data, Datatype, Tensor};

use crate::trees::arithmetic::Change;
use crate::trees::lookup::Keys;
use crate::trees::program::{InputShape, Op, Place, Program};

/// The most numbers that are remembered for one column.
const REMEMBERED: usize = 1 << 14;
/// What a category is called that no model knows.
const UNKNOWN: &str = "a category that nobody knows";

/// Makes batches, the same ones each time.
pub(super) struct Inputs<'p> {
    shapes: &'p [InputShape],
    /// By input and column.
    probes: Vec<Vec<Probes>>,
    random: Random,
}

/// What is worth trying in one column.
#[derive(Default, Clone)]
struct Probes {
    /// In order, each once.
    numbers: Vec<f32>,
    integers: Vec<i64>,
    texts: Vec<String>,
}

/// How a row is chosen.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Anywhere about the thresholds.
    Between,
    /// At thresholds and beside them.
    At,
    /// The same, with missing values.
    Missing,
    /// Zeros, infinities, large numbers.
    Wild,
}

impl<'p> Inputs<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        Self {
            shapes: &program.inputs,
            probes: probes(program),
            random: Random(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// A batch of `rows` rows, or of as many as the model insists on.
    pub(super) fn batch(&mut self, rows: usize) -> Vec<Tensor> {
        let rows = self
            .shapes
            .iter()
            .find_map(|shape| shape.rows)
            .unwrap_or(rows);
        let styles = [
            Style::Between,
            Style::At,
            Style::Missing,
            Style::At,
            Style::Between,
        ];
        let random = &mut self.random;
        let styles: Vec<Style> = (0..rows)
            .map(|_| match random.below(32) {
                0 => Style::Wild,
                n => styles[n % styles.len()],
            })
            .collect();
        let inputs = self.shapes.iter().zip(&self.probes);
        inputs
            .map(|(shape, probes)| tensor(shape, probes, &styles, random))
            .collect()
    }
}

fn tensor(shape: &InputShape, probes: &[Probes], styles: &[Style], random: &mut Random) -> Tensor {
    let cells = styles
        .iter()
        .flat_map(|style| probes.iter().map(|probes| (*style, probes)));
    macro_rules! fill {
        ($variant:ident, $make:expr) => {
            Data::$variant(
                cells
                    .map(|(style, probes)| $make(probes, style, random))
                    .collect(),
            )
        };
    }
    let data = match shape.datatype {
        Datatype::Fp32 => fill!(Fp32, Probes::number),
        Datatype::Fp64 => fill!(Fp64, |p: &Probes, s, r: &mut Random| f64::from(
            p.number(s, r)
        )),
        Datatype::Int64 => fill!(Int64, Probes::integer),
        Datatype::Int32 => fill!(Int32, |p: &Probes, s, r: &mut Random| p.integer(s, r)
            as i32),
        Datatype::Uint8 => fill!(Uint8, |p: &Probes, s, r: &mut Random| p.integer(s, r) as u8),
        Datatype::Bool => fill!(Bool, |_: &Probes, _, r: &mut Random| r.below(2) == 1),
        Datatype::Bytes => fill!(Bytes, |p: &Probes, _, r: &mut Random| p.text(r)),
        other => Data::blank(other, styles.len() * shape.width),
    };
    let mut shape_of = vec![styles.len()];
    if !shape.flat {
        shape_of.push(shape.width);
    }
    Tensor {
        shape: shape_of,
        data,
    }
}

impl Probes {
    fn number(&self, style: Style, random: &mut Random) -> f32 {
        let (low, high) = match self.numbers.as_slice() {
            [] => (-2.0, 2.0),
            [first, .., last] => (*first, *last),
            [only] => (*only, *only),
        };
        if style == Style::Wild {
            let wild = [
                0.0,
                -0.0,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
                1e-40,
            ];
            return wild[random.below(wild.len())];
        }
        if style == Style::Missing && random.below(4) == 0 {
            return f32::NAN;
        }
        let threshold = self.numbers.get(random.below(self.numbers.len().max(1)));
        match (style, threshold) {
            (Style::Between, _) | (_, None) => {
                let margin = (high - low).abs() * 0.2 + 1.0;
                low - margin + (high - low + 2.0 * margin) * random.unit()
            }
            (_, Some(threshold)) => match random.below(4) {
                0 => threshold.next_up(),
                1 => threshold.next_down(),
                2 => threshold + random.unit() - 0.5,
                _ => *threshold,
            },
        }
    }

    fn integer(&self, style: Style, random: &mut Random) -> i64 {
        if !self.integers.is_empty() && random.below(4) > 0 {
            return self.integers[random.below(self.integers.len())];
        }
        let about = self.number(
            if style == Style::Missing {
                Style::At
            } else {
                style
            },
            random,
        );
        (about as i64).saturating_add(random.below(3) as i64 - 1)
    }

    fn text(&self, random: &mut Random) -> String {
        match random.below(8) {
            0 => UNKNOWN.to_owned(),
            1 => String::new(),
            _ if self.texts.is_empty() => UNKNOWN.to_owned(),
            _ => self.texts[random.below(self.texts.len())].clone(),
        }
    }
}

/// Follows thresholds and categories back through the program, to the inputs they come from.
fn probes(program: &Program) -> Vec<Vec<Probes>> {
    let widths = program.inputs.iter().map(|shape| shape.width);
    let mut probes: Vec<_> = widths.map(|width| vec![Probes::default(); width]).collect();
    let mut wanted: Vec<Vec<f32>> = vec![Vec::new(); program.slots];
    for op in program.ops.iter().rev() {
        match op {
            Op::Trees(ensemble) => {
                for (slot, threshold) in &ensemble.splits {
                    if wanted[*slot].len() < REMEMBERED {
                        wanted[*slot].push(*threshold);
                    }
                }
            }
            Op::Change { from, changes, to } => {
                for (index, (from, change)) in from.iter().zip(changes).enumerate() {
                    undo(&mut wanted, *from, change, to + index);
                }
            }
            Op::Same { from, change, to } => {
                for (index, from) in from.iter().enumerate() {
                    undo(&mut wanted, *from, change, to + index);
                }
            }
            Op::Normalize { from, to, .. } => {
                for (index, from) in from.iter().enumerate() {
                    let passed = wanted[to + index].clone();
                    wanted[*from].extend(passed);
                }
            }
            Op::OneHot { from, keys, .. } | Op::Map { from, keys, .. } => match (from, keys) {
                (Place::Slot(slot), Keys::Int(keys, _)) => {
                    wanted[*slot].extend(keys.iter().map(|key| *key as f32));
                }
                (Place::Input { input, column }, Keys::Int(keys, _)) => {
                    let probes = &mut probes[*input][*column];
                    probes.numbers.extend(keys.iter().map(|key| *key as f32));
                    probes.integers.extend(keys);
                }
                (Place::Input { input, column }, Keys::Text(keys, _)) => {
                    probes[*input][*column].texts.extend_from_slice(keys);
                }
                (Place::Slot(_), Keys::Text(..)) => {}
            },
            Op::Load {
                input,
                column,
                to,
                count,
            } => {
                for index in 0..*count {
                    let numbers = &mut probes[*input][column + index].numbers;
                    numbers.append(&mut wanted[to + index]);
                }
            }
        }
    }
    for probes in probes.iter_mut().flatten() {
        probes.numbers.retain(|number| number.is_finite());
        probes.numbers.sort_unstable_by(f32::total_cmp);
        probes.numbers.dedup();
    }
    probes
}

/// What is wanted of a changed slot, in terms of the slot that it was made of.
fn undo(wanted: &mut [Vec<f32>], from: usize, change: &Change, to: usize) {
    let undone: Vec<f32> = wanted[to].iter().map(|y| change.undo(*y)).collect();
    wanted[from].extend(undone);
    match change {
        Change::Impute { missing, .. } => wanted[from].push(*missing),
        Change::Differs { values, .. } => wanted[from].extend(values),
        _ => {}
    }
}

/// Splitmix64: numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number from 0 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }
}
