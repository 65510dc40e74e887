//! Categories: from a text or an integer to its place in a list.

use std::collections::HashMap;

/// The largest list that is searched from end to end.
const SHORT: usize = 8;

/// Categories, with a quick way from one to its place.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    Text(Vec<String>, HashMap<String, usize>),
    Int(Vec<i64>, HashMap<i64, usize>),
}

impl Keys {
    /// `None` if one is there twice: operators differ in which of them counts.
    pub(super) fn text(keys: &[&str]) -> Option<Self> {
        let list: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let places = list.iter().cloned().enumerate();
        let places: HashMap<_, _> = places.map(|(place, key)| (key, place)).collect();
        (places.len() == list.len()).then_some(Self::Text(list, places))
    }

    /// `None` if one is there twice.
    pub(super) fn int(keys: &[i64]) -> Option<Self> {
        let places = keys.iter().copied().enumerate();
        let places: HashMap<_, _> = places.map(|(place, key)| (key, place)).collect();
        (places.len() == keys.len()).then_some(Self::Int(keys.to_vec(), places))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(list, _) => list.len(),
            Self::Int(list, _) => list.len(),
        }
    }

    /// The place of a text; `None` also if the keys are integers.
    pub(super) fn of_text(&self, key: &str) -> Option<usize> {
        match self {
            Self::Text(list, _) if list.len() <= SHORT => list.iter().position(|k| k == key),
            Self::Text(_, places) => places.get(key).copied(),
            Self::Int(..) => None,
        }
    }

    /// The place of an integer; `None` also if the keys are texts.
    pub(super) fn of_int(&self, key: i64) -> Option<usize> {
        match self {
            Self::Int(list, _) if list.len() <= SHORT => list.iter().position(|k| *k == key),
            Self::Int(_, places) => places.get(&key).copied(),
            Self::Text(..) => None,
        }
    }

    /// The place of an integer that is kept as a float. What no integer holds is what a cast makes of
    /// it on the machines that ONNX Runtime is tested on: the smallest one.
    pub(super) fn of_float(&self, key: f32) -> Option<usize> {
        let fits = (-9.3e18..9.2e18).contains(&key);
        self.of_int(if fits { key as i64 } else { i64::MIN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_many_there_are() {
        for count in [1_i64, 8, 9, 100] {
            let ints: Vec<i64> = (0..count).map(|n| n * 3 - 5).collect();
            let texts: Vec<String> = ints.iter().map(i64::to_string).collect();
            let keys = Keys::int(&ints).unwrap();
            let words = Keys::text(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
            for (place, key) in ints.iter().enumerate() {
                assert_eq!(keys.of_int(*key), Some(place));
                assert_eq!(keys.of_float(*key as f32), Some(place));
                assert_eq!(words.of_text(&key.to_string()), Some(place));
            }
            assert_eq!((keys.of_int(-4), words.of_text("-4")), (None, None));
            assert_eq!((keys.of_text("-5"), words.of_int(-5)), (None, None));
            assert_eq!(keys.of_float(f32::NAN), None);
        }
        assert!(Keys::int(&[7, 7]).is_none() && Keys::text(&["a", "a"]).is_none());
    }
}
