//! Which outputs an answer holds, and Triton's classification extension: the highest scores with
//! their places, in place of all scores.

use std::borrow::Cow;

use super::Output;
use crate::oip::Wanted;
use crate::tensor::Data;

/// An output to be written.
pub(super) struct Picked<'a> {
    pub(super) output: Cow<'a, Output<'a>>,
    /// As raw bytes.
    pub(super) binary: bool,
}

/// The outputs that were asked for, in the order asked for.
pub(super) fn picked<'a>(outputs: &'a [Output<'a>], wanted: &Wanted) -> Vec<Picked<'a>> {
    let Some(names) = &wanted.outputs else {
        let all = outputs.iter().map(|output| Picked {
            output: Cow::Borrowed(output),
            binary: wanted.binary,
        });
        return all.collect();
    };
    let pick = |one: &crate::oip::WantedOutput| {
        let output = outputs.iter().find(|output| output.name == one.name)?;
        Some(Picked {
            output: match one.classes {
                0 => Cow::Borrowed(output),
                most => Cow::Owned(highest(output, most)),
            },
            binary: one.binary.unwrap_or(wanted.binary),
        })
    };
    names.iter().filter_map(pick).collect()
}

/// The `most` highest scores along the last dimension, each as `score:place`, or
/// `score:place:name` where places have names.
fn highest<'a>(output: &'a Output<'a>, most: usize) -> Output<'a> {
    let width = output.shape.last().copied().unwrap_or(1).max(1);
    let most = most.min(width);
    let mut texts = Vec::new();
    for start in (0..output.data.len()).step_by(width) {
        let mut places: Vec<usize> = (0..width).collect();
        let score = |place: &usize| output.data.number(start + place);
        // Places of the same score stay in order.
        places.sort_by(|a, b| score(b).total_cmp(&score(a)));
        texts.extend(places.iter().take(most).map(|place| {
            let score = score(place);
            match output.classes.as_ref().and_then(|names| names.get(*place)) {
                Some(name) => format!("{score:.6}:{place}:{name}"),
                None => format!("{score:.6}:{place}"),
            }
        }));
    }
    let mut shape = output.shape.clone();
    match shape.last_mut() {
        Some(last) => *last = most,
        None => shape.push(1),
    }
    Output {
        name: output.name,
        shape,
        data: Data::Bytes(texts),
        classes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_come_first() {
        let check = |shape: &[usize], classes: Option<&[&str]>, most, expect: &[&str]| {
            let output = Output {
                name: "p",
                shape: shape.to_vec(),
                data: Data::Fp32(vec![0.125, 0.5, 0.25, 0.5, 0.5, 0.0]),
                classes: classes.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
            };
            let got = highest(&output, most);
            let texts = expect.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(got.data, Data::Bytes(texts));
            assert_eq!(got.shape.iter().product::<usize>(), expect.len());
        };
        check(&[2, 3], None, 1, &["0.500000:1", "0.500000:0"]);
        let two = [
            "0.500000:1:b",
            "0.250000:2:c",
            "0.500000:0:a",
            "0.500000:1:b",
        ];
        check(&[2, 3], Some(&["a", "b", "c"]), 2, &two);
        let all = [
            "0.500000:1",
            "0.500000:3",
            "0.500000:4",
            "0.250000:2",
            "0.125000:0",
            "0.000000:5",
        ];
        check(&[6], None, usize::MAX, &all);
    }
}
