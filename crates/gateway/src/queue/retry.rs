//! When a request that was turned away should come again: when those before it will have been served.

use std::time::Duration;

/// What is said at the most, in seconds: nobody knows what will be in an hour.
const MOST: u32 = 60;

/// How many whole seconds, one at least, it takes to serve one more than those who wait, at so many
/// places, if each takes as long as is typical. A second if that is not known.
pub(crate) fn after(waiting: usize, places: usize, typical: Option<Duration>) -> u32 {
    let Some(typical) = typical else {
        return 1;
    };
    let rounds = (waiting / places.max(1)).saturating_add(1);
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let time = typical.saturating_mul(rounds);
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(MOST).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_long_as_the_line_takes() {
        let check = |waiting, places, millis: u64, expect| {
            let typical = Some(Duration::from_millis(millis));
            assert_eq!(
                after(waiting, places, typical),
                expect,
                "{waiting} at {places}"
            );
        };
        check(0, 8, 3, 1);
        check(15, 8, 600, 2);
        check(16, 8, 600, 2);
        check(16, 8, 700, 3);
        check(7, 1, 1000, 8);
        check(5, 0, 1000, 6);
        check(usize::MAX, 1, 1000, 60);
        assert_eq!(after(500, 8, None), 1);
    }
}
