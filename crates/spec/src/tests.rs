//! The whole file, read right and read wrong.

use expect_test::{Expect, expect};

use super::*;

const WHOLE: &str = include_str!("fixtures/whole.yaml");
pub(crate) const SUPPORTED: &str = include_str!("fixtures/supported.yaml");

/// The supported file with one text in it replaced by another.
pub(crate) fn changed(from: &str, to: &str) -> String {
    assert!(SUPPORTED.contains(from), "the fixture has no `{from}`");
    SUPPORTED.replacen(from, to, 1)
}

fn check(from: &str, to: &str, expect: &Expect) {
    match parse("mainspan.yaml", &changed(from, to)) {
        Ok(_) => panic!("`{to}` was accepted"),
        Err(wrong) => expect.assert_eq(&wrong.to_string()),
    }
}

#[test]
fn the_whole_shape_is_read() {
    let file = parse("mainspan.yaml", WHOLE).unwrap_or_else(|wrong| panic!("{wrong}"));
    let json = serde_json::to_string_pretty(&file).unwrap();
    expect![[r#"
        {
          "mainspan": 1,
          "project": "flights",
          "environments": [
            "staging",
            "prod"
          ],
          "prune": false,
          "datasets": {
            "flights": {
              "source": "data/flights.csv.gz",
              "format": "csv",
              "checks": [
                "rows >= 50000",
                "columns.arr_delay.null_fraction < 0.05"
              ]
            }
          },
          "pipelines": {
            "train": {
              "triggers": {
                "push": [
                  "main"
                ],
                "schedule": "0 3 * * *",
                "alerts": [
                  "delay-worse"
                ]
              },
              "params": {
                "trees": 200
              },
              "python": {
                "version": ">=3.10",
                "lock": "requirements.lock"
              },
              "secrets": [
                "WAREHOUSE_URL"
              ],
              "network": [],
              "steps": {
                "split": {
                  "run": "python split.py",
                  "reads": [
                    "flights"
                  ],
                  "writes": [
                    "train",
                    "test"
                  ],
                  "metrics": [],
                  "resources": {
                    "cpu": 1.0,
                    "memory": "1GiB",
                    "gpu": 0
                  },
                  "retry": {
                    "times": 0,
                    "backoff": "1s"
                  },
                  "timeout": "1d"
                },
                "fit": {
                  "run": "python fit.py",
                  "reads": [
                    "train"
                  ],
                  "writes": [
                    "model"
                  ],
                  "metrics": [
                    "cv_mae"
                  ],
                  "matrix": {
                    "depth": [
                      4,
                      6
                    ]
                  },
                  "select": {
                    "min": "cv_mae"
                  },
                  "resources": {
                    "cpu": 1.0,
                    "memory": "2GiB",
                    "gpu": 0
                  },
                  "retry": {
                    "times": 1,
                    "backoff": "1s"
                  },
                  "timeout": "20m"
                },
                "evaluate": {
                  "run": "python evaluate.py",
                  "reads": [
                    "model",
                    "test"
                  ],
                  "writes": [],
                  "metrics": [
                    "mae",
                    "rows"
                  ],
                  "against": "champion",
                  "resources": {
                    "cpu": 1.0,
                    "memory": "1GiB",
                    "gpu": 0
                  },
                  "retry": {
                    "times": 0,
                    "backoff": "1s"
                  },
                  "timeout": "1d"
                }
              },
              "register": {
                "model": "delay",
                "from": "fit.model",
                "gate": "evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae"
              }
            }
          },
          "services": {
            "delay": {
              "model": "delay",
              "engine": "onnx",
              "resources": {
                "cpu": 0.5,
                "memory": "512MiB",
                "gpu": 0
              },
              "scale": {
                "min": 1,
                "max": 4,
                "concurrency": 8
              },
              "rollout": {
                "stages": [
                  "5%",
                  "25%",
                  "50%"
                ],
                "sticky": "request_id",
                "judge": [
                  "errors",
                  "latency.p99",
                  "live.mae"
                ],
                "false_rollbacks": "1%",
                "at_least": "500 requests",
                "quiet": "hold after 1h",
                "keep_previous": "1h"
              },
              "monitor": {
                "labels": {
                  "join": "request_id",
                  "within": "30d",
                  "time": "flown_at"
                },
                "alarm": {
                  "on": "live.mae",
                  "false_alarms": "1 per 90d"
                },
                "drift": {
                  "reference": "training"
                },
                "slo": {
                  "availability": "99.9%",
                  "latency": {
                    "p99": "50ms"
                  }
                }
              }
            }
          },
          "alerts": {
            "delay-worse": {
              "when": "services.delay.prod.alarm"
            }
          },
          "overrides": {
            "prod": {
              "approve": "manual",
              "freeze": "Fri 16:00 - Mon 08:00",
              "services": {
                "delay": {
                  "model": "delay",
                  "engine": "onnx",
                  "resources": {
                    "cpu": 0.5,
                    "memory": "512MiB",
                    "gpu": 0
                  },
                  "scale": {
                    "min": 2,
                    "max": 32,
                    "concurrency": 8
                  },
                  "rollout": {
                    "stages": [
                      "5%",
                      "25%",
                      "50%"
                    ],
                    "sticky": "request_id",
                    "judge": [
                      "errors",
                      "latency.p99",
                      "live.mae"
                    ],
                    "false_rollbacks": "1%",
                    "at_least": "500 requests",
                    "quiet": "hold after 1h",
                    "keep_previous": "1h"
                  },
                  "monitor": {
                    "labels": {
                      "join": "request_id",
                      "within": "30d",
                      "time": "flown_at"
                    },
                    "alarm": {
                      "on": "live.mae",
                      "false_alarms": "1 per 90d"
                    },
                    "drift": {
                      "reference": "training"
                    },
                    "slo": {
                      "availability": "99.9%",
                      "latency": {
                        "p99": "50ms"
                      }
                    }
                  }
                }
              }
            }
          }
        }"#]]
    .assert_eq(&json);
}

#[test]
fn unknown_keys() {
    check(
        "concurrency: 8",
        "concurency: 8",
        &expect![[r#"
        error: unknown key `concurency`, did you mean `concurrency`?
          --> mainspan.yaml:31:22
           |
        31 |     scale: { min: 1, concurency: 8 }
           |                      ^^^^^^^^^^
    "#]],
    );
}
