//! Mistakes between sections: references, cycles, conditions.

use expect_test::expect;

use super::check;

#[test]
fn references_that_dangle() {
    check(
        "reads: [train]",
        "reads: [trian]",
        &expect![[r#"
        error: there is no dataset or output `trian`, did you mean `train`?
          --> mainspan.yaml:19:47
           |
        19 |       fit:      { run: python fit.py, reads: [trian], writes: [model], metrics: [cv_mae], matrix: { …
           |                                               ^^^^^
    "#]],
    );
    check(
        "from: fit.model",
        "from: fit.modle",
        &expect![[r#"
        error: there is no output `modle`, did you mean `model`?
          --> mainspan.yaml:24:13
           |
        24 |       from: fit.modle
           |             ^^^^^^^^^
    "#]],
    );
    check(
        "from: fit.model",
        "from: train.model",
        &expect![[r#"
        error: there is no step `train`; there is split, fit, evaluate
          --> mainspan.yaml:24:13
           |
        24 |       from: train.model
           |             ^^^^^^^^^^^
    "#]],
    );
    check(
        "alerts: [delay-worse]",
        "alerts: [delay-wors]",
        &expect![[r#"
            error: there is no alert `delay-wors`, did you mean `delay-worse`?
              --> mainspan.yaml:14:63
               |
            14 |     triggers: { push: [main], schedule: "0 3 * * *", alerts: [delay-wors] }
               |                                                               ^^^^^^^^^^
        "#]],
    );
    check(
        "delay:\n    model: delay",
        "delay:\n    model: delays",
        &expect![[r#"
            error: there is no pipeline that registers model `delays`, did you mean `delay`?
              --> mainspan.yaml:29:12
               |
            29 |     model: delays
               |            ^^^^^^
        "#]],
    );
    check(
        "select: { min: cv_mae }",
        "select: { min: mae }",
        &expect![[r#"
            error: there is no declared metric `mae`; there is cv_mae
              --> mainspan.yaml:19:133
               |
            19 | …v_mae], matrix: { depth: [4, 6] }, select: { min: mae },
               |                                                    ^^^
        "#]],
    );
    check(
        "matrix: { depth: [4, 6] }, select: { min: cv_mae }",
        "matrix: { depth: [4, 6] }",
        &expect![[r#"
            error: step `fit` has a matrix and results; say which combination goes on with `select: { min: METRIC }` or `max`
              --> mainspan.yaml:19:91
               |
            19 | …ads: [train], writes: [model], metrics: [cv_mae], matrix: { depth: [4, 6] },
               |                                                    ^^^^^^
        "#]],
    );
    check(
        "matrix: { depth: [4, 6] }, ",
        "",
        &expect![[r#"
        error: `select` chooses among the combinations of `matrix`, which this step lacks
          --> mainspan.yaml:19:91
           |
        19 | …ads: [train], writes: [model], metrics: [cv_mae], select: { min: cv_mae },
           |                                                    ^^^^^^
    "#]],
    );
    check(
        "depth: [4, 6]",
        "trees: [4, 6]",
        &expect![[r#"
            error: `trees` is a parameter of the pipeline already; name it in `params` or in `matrix`
              --> mainspan.yaml:19:101
               |
            19 | …n], writes: [model], metrics: [cv_mae], matrix: { trees: [4, 6] }, select: { min: cv_mae },
               |                                                    ^^^^^
        "#]],
    );
    check(
        "  prod: { services:",
        "  qa: { services:",
        &expect![[r#"
            error: there is no environment `qa`; there is staging, prod
              --> mainspan.yaml:49:3
               |
            49 |   qa: { services: { delay: { scale: { min: 2 } } } }
               |   ^^
        "#]],
    );
    check(
        "services: { delay: { scale",
        "services: { dely: { scale",
        &expect![[r#"
            error: there is no service `dely`, did you mean `delay`?
              --> mainspan.yaml:49:23
               |
            49 |   prod: { services: { dely: { scale: { min: 2 } } } }
               |                       ^^^^
        "#]],
    );
    check(
        "      labels: { join: request_id, within: 30d, time: flown_at }\n",
        "",
        &expect![[r#"
            error: `live.mae` needs labels; add `monitor: { labels: { join: FIELD, within: 30d } }`
              --> mainspan.yaml:35:36
               |
            35 |       judge: [errors, latency.p99, live.mae]
               |                                    ^^^^^^^^

            error: `live.mae` needs labels; add `monitor: { labels: { join: FIELD, within: 30d } }`
              --> mainspan.yaml:41:20
               |
            41 |       alarm: { on: live.mae, false_alarms: 1 per 90d }
               |                    ^^^^^^^^
        "#]],
    );
    check(
        "writes: [train, test]",
        "writes: [train, flights]",
        &expect![[r#"
            error: step `split` reads `flights`, which it writes itself; give the output another name
              --> mainspan.yaml:18:49
               |
            18 |       split:    { run: python split.py, reads: [flights], writes: [train, flights] }
               |                                                 ^^^^^^^

            error: `flights` is the name of a dataset; choose another name for the output
              --> mainspan.yaml:18:75
               |
            18 |       split:    { run: python split.py, reads: [flights], writes: [train, flights] }
               |                                                                           ^^^^^^^

            error: there is no dataset or output `test`; there is train, flights, model, flights
              --> mainspan.yaml:21:59
               |
            21 |       evaluate: { run: python evaluate.py, reads: [model, test], metrics: [mae, rows], against: cham…
               |                                                           ^^^^
        "#]],
    );
    check(
        "metrics: [mae, rows], against",
        "against",
        &expect![[r#"
            error: step `evaluate` is compared with the champion by its metrics, and declares none; add `metrics: [NAME]`
              --> mainspan.yaml:21:75
               |
            21 |       evaluate: { run: python evaluate.py, reads: [model, test], against: champion }
               |                                                                           ^^^^^^^^

            error: step `evaluate` declares no metrics; add `metrics: [NAME]` to it
              --> mainspan.yaml:25:13
               |
            25 |       gate: evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae
               |             ^^^^^^^^
        "#]],
    );
}

#[test]
fn cycles() {
    check(
        "reads: [flights]",
        "reads: [flights, model]",
        &expect![[r#"
            error: the steps wait for each other: split → fit → split; break the cycle
              --> mainspan.yaml:19:7
               |
            19 |       fit:      { run: python fit.py, reads: [train], writes: [model], metrics: [cv_mae], matrix: { …
               |       ^^^
        "#]],
    );
    check(
        "reads: [flights]",
        "reads: [flights, train]",
        &expect![[r#"
            error: step `split` reads `train`, which it writes itself; give the output another name
              --> mainspan.yaml:18:58
               |
            18 |       split:    { run: python split.py, reads: [flights, train], writes: [train, test] }
               |                                                          ^^^^^
        "#]],
    );
    check(
        "reads: [flights]",
        "reads: [flights], needs: [evaluate]",
        &expect![[r#"
            error: the steps wait for each other: split → evaluate → split; break the cycle
              --> mainspan.yaml:21:7
               |
            21 |       evaluate: { run: python evaluate.py, reads: [model, test], metrics: [mae, rows], against: cham…
               |       ^^^^^^^^
        "#]],
    );
    check(
        "reads: [flights]",
        "reads: [flights], needs: [split]",
        &expect![[r#"
            error: step `split` waits for itself; remove it from `needs`
              --> mainspan.yaml:18:67
               |
            18 |       split:    { run: python split.py, reads: [flights], needs: [split], writes: [train, test] }
               |                                                                   ^^^^^
        "#]],
    );
}

#[test]
fn conditions() {
    check(
        "evaluate.mae < 0.99",
        "evaluate.mea < 0.99",
        &expect![[r#"
            error: `mea` is not known in `evaluate`, did you mean `mae`?
              --> mainspan.yaml:25:45
               |
            25 |       gate: evaluate.mae < 15.0 && evaluate.mea < 0.99 * champion.mae
               |                                             ^^^
        "#]],
    );
    check(
        "gate: evaluate.mae < 15.0 && ",
        "gate: >\n        evaluate.mae < 15.0 &&\n        evaluate.rows &&\n        ",
        &expect![[r#"
            error: a condition is true or false, and this is a number; compare it, like `evaluate.rows > 0`
              --> mainspan.yaml:26:9
               |
            26 |         evaluate.mae < 15.0 &&
               |         ^^^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    check(
        "columns.arr_delay.null_fraction",
        "columns.arr_delay.nullfraction",
        &expect![[r#"
            error: `nullfraction` is not known in `columns.arr_delay`, did you mean `null_fraction`?
              --> mainspan.yaml:10:27
               |
            10 |       - columns.arr_delay.nullfraction < 0.05
               |                           ^^^^^^^^^^^^
        "#]],
    );
    check(
        "services.delay.prod.alarm",
        "\"services.delay.prod.alrm\"",
        &expect![[r#"
            error: `alrm` is not known in `services.delay.prod`, did you mean `alarm`?
              --> mainspan.yaml:46:45
               |
            46 |   delay-worse: { when: "services.delay.prod.alrm" }
               |                                             ^^^^
        "#]],
    );
    check(
        "      alarm: { on: live.mae, false_alarms: 1 per 90d }\n",
        "",
        &expect![[r#"
            error: service `delay` has no alarm in prod; add `monitor: { alarm: … }` to it
              --> mainspan.yaml:45:44
               |
            45 |   delay-worse: { when: services.delay.prod.alarm }
               |                                            ^^^^^
        "#]],
    );
}
