//! How urgent a request is, and which of those that wait comes next. Pure.

use serde::{Deserialize, Serialize};

/// How urgent a request is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Served first.
    High,
    /// What is said of none.
    #[default]
    Normal,
    /// Served when nothing else waits, and first to be turned away.
    Low,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 3;
/// All classes, the most urgent first.
pub(super) const ALL: [Priority; CLASSES] = [Priority::High, Priority::Normal, Priority::Low];
/// How often a class may be passed over for a more urgent one.
const PATIENCE: u32 = 9;

impl Priority {
    /// Its number among [`ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }

    /// As the header says it.
    pub(crate) fn named(text: &[u8]) -> Option<Self> {
        match text {
            b"high" => Some(Self::High),
            b"normal" => Some(Self::Normal),
            b"low" => Some(Self::Low),
            _ => None,
        }
    }
}

/// The class that is next: the most urgent that waits, unless another has been passed over so often
/// that it is its turn.
pub(super) fn next(waiting: [usize; CLASSES], passed: [u32; CLASSES]) -> Option<Priority> {
    let waits = || ALL.into_iter().filter(|class| waiting[class.index()] > 0);
    let overdue = waits().filter(|class| passed[class.index()] >= PATIENCE);
    // Of several, the one that was passed over most; the more urgent if that decides nothing.
    let longest = overdue.min_by_key(|class| std::cmp::Reverse(passed[class.index()]));
    longest.or_else(|| waits().next())
}

/// How often each class has been passed over once `served` got a place.
pub(super) fn passed(
    served: Priority,
    waiting: [usize; CLASSES],
    before: [u32; CLASSES],
) -> [u32; CLASSES] {
    std::array::from_fn(|class| {
        let waits = waiting[class] > 0 && class != served.index();
        if waits { before[class] + 1 } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who gets the next places while so many of each class keep waiting: a letter each.
    fn check(waiting: [usize; CLASSES], expect: &str) {
        let mut before = [0; CLASSES];
        let served = expect.chars().map(|_| {
            let Some(class) = next(waiting, before) else {
                return '-';
            };
            before = passed(class, waiting, before);
            ['h', 'n', 'l'][class.index()]
        });
        assert_eq!(served.collect::<String>(), expect, "{waiting:?}");
    }

    #[test]
    fn the_urgent_go_first_and_nobody_starves() {
        check([0, 0, 0], "-");
        check([0, 0, 1], "lll");
        check([5, 0, 0], "hhhh");
        check([1, 1, 0], "hhhhhhhhhnhhhhhhhhhn");
        check([0, 1, 1], "nnnnnnnnnlnnnnnnnnnl");
        check([1, 1, 1], "hhhhhhhhhnlhhhhhhhhnlhhhhhhhhnl");
    }

    #[test]
    fn classes_are_written_alike_in_headers_and_files() {
        for class in ALL {
            let name = serde_json::to_string(&class).unwrap();
            assert_eq!(
                Priority::named(name.trim_matches('"').as_bytes()),
                Some(class)
            );
        }
        assert_eq!(Priority::named(b"HIGH"), None);
    }
}
