//! From sums to scores and labels, in ONNX Runtime's arithmetic.
//!
//! Source: onnxruntime/core/providers/cpu/ml/tree_ensemble_aggregator.h and ml_common.h of release
//! 1.32 (`FinalizeScores`, `write_scores`). What looks odd here is odd there: only one of two base
//! values is used, and a score that is positive throughout is taken for a probability.

/// What is done to scores at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
}

/// How sums become outputs.
#[derive(Debug)]
pub(super) enum Finish {
    /// Numbers: sum or mean, and base values.
    Regress {
        /// The number of trees, for a mean.
        divisor: Option<f32>,
        /// As many as there are targets.
        base: Option<Vec<f32>>,
    },
    /// Classes.
    Classify {
        base: Vec<f32>,
        /// Classes that some leaf adds to.
        scored: Vec<bool>,
        /// Two classes, but weights for one only.
        binary: bool,
        /// No weight is below zero.
        positive: bool,
        transform: Transform,
    },
}

impl Finish {
    /// Turns the sums of one row into its scores and gives the place of its class.
    pub(super) fn finish(&self, scores: &mut [f32]) -> usize {
        match self {
            Self::Regress { divisor, base } => {
                if let Some(trees) = divisor {
                    scores.iter_mut().for_each(|score| *score /= trees);
                }
                if let Some(base) = base {
                    scores
                        .iter_mut()
                        .zip(base)
                        .for_each(|(score, base)| *score += base);
                }
                0
            }
            Self::Classify {
                base,
                scored,
                binary,
                positive,
                transform,
            } => match scores {
                [first, second] => {
                    let rule = Two {
                        base,
                        second_scored: scored.get(1) == Some(&true),
                        binary: *binary,
                        positive: *positive,
                        transform: *transform,
                    };
                    let (class, written) = rule.finish(*first, *second);
                    [*first, *second] = written;
                    class
                }
                _ => many(scores, base, scored, *transform),
            },
        }
    }
}

/// More than two classes.
fn many(scores: &mut [f32], base: &[f32], scored: &[bool], transform: Transform) -> usize {
    for ((score, base), scored) in scores.iter_mut().zip(base).zip(scored) {
        *score = if *scored { *score + base } else { *base };
    }
    let mut best: Option<(usize, f32)> = None;
    for (class, (score, scored)) in scores.iter().zip(scored).enumerate() {
        let counts = *scored || !base.is_empty();
        if counts && best.is_none_or(|(_, highest)| *score > highest) {
            best = Some((class, *score));
        }
    }
    apply(transform, scores);
    best.map_or(0, |(class, _)| class)
}

/// Two classes.
struct Two<'a> {
    base: &'a [f32],
    second_scored: bool,
    binary: bool,
    positive: bool,
    transform: Transform,
}

impl Two<'_> {
    fn finish(&self, mut first: f32, mut second: f32) -> (usize, [f32; 2]) {
        let mut single = !self.second_scored;
        match self.base {
            [_, base] if self.second_scored => {
                second = base + first;
                first = -second;
            }
            [base, other] => {
                second += other;
                first += base;
                single = false;
            }
            [base] => first += base,
            _ => {}
        }
        let weight = if self.second_scored { second } else { first };
        let bar = if self.binary && self.positive {
            0.5
        } else {
            0.0
        };
        let class = usize::from(weight > bar);
        let written = if !single {
            let mut both = [first, second];
            apply(self.transform, &mut both);
            both
        } else if self.positive {
            [1.0 - first, first]
        } else if self.transform == Transform::Logistic {
            [logistic(-first), logistic(first)]
        } else {
            [-first, first]
        };
        (class, written)
    }
}

fn apply(transform: Transform, scores: &mut [f32]) {
    match transform {
        Transform::None => {}
        Transform::Logistic => scores
            .iter_mut()
            .for_each(|score| *score = logistic(*score)),
        Transform::Softmax => softmax(scores),
        Transform::SoftmaxZero => softmax_zero(scores),
    }
}

fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

fn highest(scores: &[f32]) -> f32 {
    scores.iter().fold(
        f32::MIN,
        |highest, score| if *score > highest { *score } else { highest },
    )
}

fn softmax(scores: &mut [f32]) {
    let highest = highest(scores);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - highest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// As [`softmax`], but a score of (nearly) zero counts for nothing.
fn softmax_zero(scores: &mut [f32]) {
    let highest = highest(scores);
    let factor = (-highest).exp();
    let mut sum = 0.0;
    for score in &mut *scores {
        if *score > 0.000_000_1 || *score < -0.000_000_1 {
            *score = (*score - highest).exp();
            sum += *score;
        } else {
            *score *= factor;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests;
