//! Resampling keeps what it says it keeps, and thresholds keep their level.

use super::*;

#[test]
fn blocks_stay_together() {
    let series: Vec<u32> = (0..100).collect();
    let mut rng = Rng::new(1);
    let permuted = permute(&series, 7, &mut rng);
    assert_ne!(permuted, series);
    let breaks = permuted.windows(2).filter(|w| w[1] != w[0] + 1).count();
    assert!(breaks <= 14, "{breaks}");
    let mut sorted = permuted;
    sorted.sort_unstable();
    assert_eq!(sorted, series);
    let drawn = bootstrap(&series, 10, &mut rng);
    assert_eq!(drawn.len(), 100);
    assert!(
        drawn
            .windows(2)
            .filter(|w| w[1] != (w[0] + 1) % 100)
            .count()
            <= 9
    );
}

#[test]
fn every_point_is_drawn_as_often_as_any_other() {
    let series: Vec<usize> = (0..30).collect();
    let (mut rng, mut counts) = (Rng::new(2), [0_u32; 30]);
    for _ in 0..2_000 {
        bootstrap(&series, 8, &mut rng)
            .into_iter()
            .for_each(|i| counts[i] += 1);
    }
    assert!(
        counts.iter().all(|&c| (1_700..2_300).contains(&c)),
        "{counts:?}"
    );
}

#[test]
fn the_threshold_keeps_its_level_on_further_histories() {
    let mut rng = Rng::new(3);
    let exceeded = (0..200).filter(|_| {
        let history: Vec<f64> = (0..120).map(|_| rng.normal()).collect();
        let highest = |h: &[f64]| {
            let mut sum = 0.0;
            h.iter()
                .map(|x| {
                    sum = f64::max(sum + x - 0.3, 0.0);
                    sum
                })
                .fold(0.0, f64::max)
        };
        let limit = threshold(&history, 6, 59, 0.1, &mut rng, highest);
        let further: Vec<f64> = permute(&history, 6, &mut rng);
        highest(&further) > limit
    });
    let exceeded = exceeded.count();
    assert!((5..=33).contains(&exceeded), "{exceeded}");
    assert_eq!(
        threshold(&[1.0; 9], 1, 5, 0.01, &mut rng, |h| h[0]),
        f64::INFINITY
    );
}
