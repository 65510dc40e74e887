//! The martingale against numpy, its level and its power.

use super::*;

#[test]
fn agrees_with_numpy() {
    let mut jumper = SimpleJumper::default();
    for p in [0.02, 0.1, 0.3, 0.05, 0.9, 0.01, 0.01, 0.07] {
        jumper.observe(p);
    }
    assert!(
        (jumper.log_evidence() - 0.9435622154844123).abs() < 1e-12,
        "{}",
        jumper.log_evidence()
    );
}

#[test]
fn p_values_count_ranks_and_split_ties() {
    let reference = Reference::new([1.0, 2.0, 2.0, 3.0, f64::NAN]);
    let mut rng = Rng::new(1);
    for (score, low, high) in [
        (0.5, 0.8, 1.0),
        (2.0, 0.2, 0.8),
        (3.0, 0.0, 0.4),
        (9.0, 0.0, 0.2),
    ] {
        let ps: Vec<f64> = (0..500)
            .map(|_| reference.p_value(score, &mut rng))
            .collect();
        assert!(ps.iter().all(|p| (low..=high).contains(p)), "{score}");
        let mean = ps.iter().sum::<f64>() / 500.0;
        assert!((mean - (low + high) / 2.0).abs() < 0.03, "{score}: {mean}");
    }
}

#[test]
fn holds_its_level_and_sees_a_shift() {
    let crossing = |shift: f64| {
        let mut rng = Rng::new(3);
        let crossed = (0..300).filter(|_| {
            let reference = Reference::new((0..5_000).map(|_| rng.normal()));
            let mut jumper = SimpleJumper::default();
            (0..1_500).any(|_| {
                let score = shift + rng.normal();
                jumper.observe(reference.p_value(score, &mut rng));
                jumper.log_evidence() >= 20_f64.ln()
            })
        });
        crossed.count()
    };
    assert!(crossing(0.0) <= 15 + 12, "{}", crossing(0.0));
    assert!(crossing(0.5) >= 295);
}
