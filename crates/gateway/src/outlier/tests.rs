//! Which replicas are left out, by what was seen of them and their siblings.

use super::*;

/// A replica: `.` and `x` for good and failed answers, the last one last.
fn seen(outcomes: &str, millis: Option<u64>) -> Seen {
    let mut seen = Seen {
        is_up: true,
        times: millis.map(|millis| Spread {
            typical: Duration::from_millis(millis),
            longest: Duration::from_millis(millis),
        }),
        ..Seen::default()
    };
    outcomes.chars().for_each(|c| seen.outcomes.push(c == 'x'));
    seen
}

#[test]
fn one_that_fails_while_the_others_answer() {
    let check = |all: &[&str], expect: bool| {
        let seen: Vec<_> = all.iter().map(|outcomes| seen(outcomes, None)).collect();
        let got = outlier(&seen, 0);
        assert_eq!(got, expect.then_some(Reason::Fails), "{all:?}");
    };
    check(&["..xxxxx", "....."], true);
    check(&["xxxxx", "...................x"], true);
    check(&["..xxxx", "....."], false);
    check(&["xxxxx.", "....."], false);
    // It is the requests, or the model.
    check(&["xxxxx", "xxxxx"], false);
    check(&["xxxxx", ".........x"], false);
    // Too little is known of the others, or there are none.
    check(&["xxxxx", "...."], false);
    check(&["xxxxx"], false);
    check(&["xxxxx", "..", "..."], true);
}

#[test]
fn one_that_is_ten_times_slower() {
    let check = |all: &[Option<u64>], expect: bool| {
        let seen: Vec<_> = all.iter().map(|millis| seen("", *millis)).collect();
        assert_eq!(outlier(&seen, 0).is_some(), expect, "{all:?}");
    };
    check(&[Some(100), Some(10)], true);
    check(&[Some(99), Some(10)], false);
    check(&[Some(100), Some(10), Some(11), Some(9)], true);
    check(&[Some(100), Some(10), Some(90), Some(90)], false);
    check(&[Some(100), Some(10), Some(90)], false);
    check(&[Some(100), None], false);
    check(&[None, Some(10)], false);
    // Noise of a model that takes no time at all.
    check(&[Some(1), Some(0)], true);
    check(&[Some(0), Some(0)], false);
}

#[test]
fn one_that_answers_nothing_while_others_do() {
    let one = |longest: Option<u64>, idle: u64| Seen {
        idle: Duration::from_millis(idle),
        ..seen("", longest)
    };
    let check = |this: Seen, others: &[Seen], expect: bool| {
        let all: Vec<_> = std::iter::once(this)
            .chain(others.iter().copied())
            .collect();
        let hangs = matches!(outlier(&all, 0), Some(Reason::Hangs { .. }));
        assert_eq!(hangs, expect, "{all:?}");
    };
    let works = one(Some(5), 2);
    check(one(None, 1000), &[works], true);
    check(one(Some(5), 1000), &[works], true);
    check(one(None, 999), &[works], false);
    check(one(None, 0), &[works], false);
    // The others take long at times: so may this one.
    check(one(None, 1000), &[works, one(Some(101), 0)], false);
    check(one(None, 1010), &[works, one(Some(101), 0)], true);
    // Nobody answers, or nobody is known to.
    check(one(None, 1000), &[one(Some(5), 1000)], false);
    check(one(None, 1000), &[one(None, 0)], false);
    let away = Seen {
        is_up: false,
        ..one(None, 1000)
    };
    check(away, &[works], false);
}

#[test]
fn never_more_than_half_are_out() {
    let check = |others: &str, expect: bool| {
        let mut all = vec![seen("xxxxx", None)];
        all.extend(others.chars().map(|c| Seen {
            is_up: c != 'd',
            is_out: c == 'o',
            ..seen("..........", None)
        }));
        assert_eq!(outlier(&all, 0).is_some(), expect, "{others:?}");
    };
    check("", false);
    check("u", true);
    check("d", false);
    check("o", false);
    check("uo", false);
    check("uuo", true);
    check("uod", false);
    check("uuoo", false);
    check("uuuoo", true);
}

#[test]
fn one_that_is_away_or_out_already() {
    let mut all = vec![seen("xxxxx", None), seen(".....", None)];
    all[0].is_up = false;
    assert_eq!(outlier(&all, 0), Some(Reason::Fails), "it broke off");
    all[0].is_out = true;
    assert_eq!(outlier(&all, 0), None);
}
