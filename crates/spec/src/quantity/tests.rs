//! Spellings that are read, the canonical one that is printed, and those that are refused.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use super::*;

fn check<T: FromStr<Err = QuantityError> + Display + Debug>(cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        let shown = text
            .parse::<T>()
            .map_or_else(|_| "refused".to_owned(), |value| value.to_string());
        assert_eq!(&shown, expect, "`{text}`");
        if shown != "refused" {
            let again = shown.parse::<T>().map(|value| value.to_string());
            assert_eq!(
                again.as_deref(),
                Ok(*expect),
                "the canonical form of `{text}`"
            );
        }
    }
}

#[test]
fn durations() {
    check::<Duration>(&[
        ("20m", "20m"),
        ("90m", "1h30m"),
        ("1h30m", "1h30m"),
        ("500ms", "500ms"),
        ("1500ms", "1s500ms"),
        ("1500us", "1ms500us"),
        ("2w", "14d"),
        ("30d", "30d"),
        ("24h", "1d"),
        ("0", "0s"),
        ("0s", "0s"),
        ("", "refused"),
        ("20", "refused"),
        ("m", "refused"),
        ("1.5h", "refused"),
        ("-1s", "refused"),
        ("30m1h", "refused"),
        ("1m1m", "refused"),
        ("20 m", "refused"),
        ("1y", "refused"),
        ("é", "refused"),
        ("99999999999999999999d", "refused"),
        ("36526d", "refused"),
        ("1M", "refused"),
    ]);
}

#[test]
fn sizes() {
    check::<ByteSize>(&[
        ("512MiB", "512MiB"),
        ("1024MiB", "1GiB"),
        ("0.5GiB", "512MiB"),
        ("1000MB", "1GB"),
        ("64MB", "64MB"),
        ("1500kB", "1500kB"),
        ("10B", "10B"),
        ("0B", "0B"),
        ("2 GiB", "2GiB"),
        ("512", "refused"),
        ("512mb", "refused"),
        ("1G", "refused"),
        ("-1B", "refused"),
        ("0.3B", "refused"),
        ("9999999TiB", "refused"),
        ("", "refused"),
        ("MiB", "refused"),
        ("1.2.3GiB", "refused"),
    ]);
}

#[test]
fn cpus_and_shares() {
    check::<Cpus>(&[
        ("1", "1"),
        ("0.5", "0.5"),
        ("0.001", "0.001"),
        ("16", "16"),
        ("0", "refused"),
        ("0.0001", "refused"),
        ("-1", "refused"),
        ("1 CPU", "refused"),
        ("2000", "refused"),
    ]);
    let whole = |text: &str| text.parse::<Cpus>().unwrap().whole();
    assert_eq!(["0.001", "1", "1.5"].map(whole), [1, 1, 2]);
    check::<Percent>(&[
        ("5%", "5%"),
        ("99.9%", "99.9%"),
        ("0%", "0%"),
        ("100%", "100%"),
        ("101%", "refused"),
        ("0.05", "refused"),
        ("-1%", "refused"),
        ("%", "refused"),
    ]);
    assert!((Percent::new(5.0).unwrap().fraction() - 0.05).abs() < 1e-12);
    assert_eq!("0.5".parse::<Cpus>().unwrap().millis(), 500);
}

#[test]
fn quantiles_rates_and_requests() {
    check::<Quantile>(&[
        ("p50", "p50"),
        ("p99", "p99"),
        ("p99.9", "p99.9"),
        ("p99.99", "p99.99"),
        ("p100", "refused"),
        ("p0", "refused"),
        ("99", "refused"),
        ("p1e1", "refused"),
        ("p", "refused"),
    ]);
    assert_eq!("p99".parse(), Ok(Quantile::P99));
    check::<Rate>(&[
        ("1 per 90d", "1 per 90d"),
        ("2 per 24h", "2 per 1d"),
        ("0 per 1d", "refused"),
        ("1 per 0s", "refused"),
        ("1/90d", "refused"),
        ("x per 1d", "refused"),
    ]);
    check::<Requests>(&[
        ("500 requests", "500 requests"),
        ("1 request", "1 request"),
        ("500", "refused"),
        ("1.5 requests", "refused"),
        ("-5 requests", "refused"),
    ]);
}

#[test]
fn schedules() {
    check::<Cron>(&[
        ("0 3 * * *", "0 3 * * *"),
        ("*/5 * * * MON-FRI", "*/5 * * * MON-FRI"),
        ("@daily", "@daily"),
        ("0 3 * *", "refused"),
        ("0 0 3 * * *", "refused"),
        ("60 * * * *", "refused"),
        ("soon", "refused"),
        ("", "refused"),
    ]);
    assert!("* ".repeat(300).parse::<Cron>().is_err());
}
