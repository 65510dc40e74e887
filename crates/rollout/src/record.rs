//! Changes of what serves, each one transaction with its event: the only code that writes a deployment's version.
//!
//! Called by the reconciler when a verdict says so and by people's promote and roll-back. Aliases named after
//! environments, and `champion`, are set here as projections of the deployment. An event's actor is whoever did this very
//! thing, which need not be whoever began the roll-out.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use spec::Service;
use store::{
    Aliases as _, Deployment, Deployments as _, Error, Events as _, Happening, ModelVersion,
    Models as _, NewEvent, Outbox as _, Result, Rollout, RolloutState, Rollouts as _, Tx,
};

/// Name of the alias that points at the version live in the last environment.
pub const CHAMPION: &str = "champion";

/// The actor of what the reconciler decides.
pub const RECONCILER: &str = "rollout";

/// What events about a service in an environment are about.
pub(crate) fn subject(service: &str, environment: &str) -> String {
    format!("service/{service}@{environment}")
}

/// Makes a roll-out's version the one that serves, as `by` decided.
///
/// # Errors
/// When the deployment is gone.
pub fn promote(
    tx: &mut Tx<'_>,
    rollout: &mut Rollout,
    by: &str,
    reason: &str,
    last_environment: bool,
    now: Timestamp,
) -> Result<()> {
    let deployment = deployment(tx, rollout)?;
    let version = tx.version(&rollout.project, &rollout.model, rollout.to)?;
    let after = Deployment {
        previous: deployment.version.filter(|version| *version != rollout.to),
        version: Some(rollout.to),
        since: now,
        rollout_id: Some(rollout.id.clone()),
        reason: reason.to_owned(),
        commit: version.as_ref().and_then(commit),
        keep_previous_until: now.checked_add(keep_previous(&deployment)).ok(),
        ..deployment.clone()
    };
    tx.put_deployment(&after)?;
    point(tx, rollout, &rollout.environment, now)?;
    if last_environment {
        point(tx, rollout, CHAMPION, now)?;
    }
    end(tx, rollout, by, RolloutState::Promoted, reason, now)?;
    tx.append_event(&NewEvent {
        project: Some(rollout.project.clone()),
        at: now,
        actor: by.to_owned(),
        kind: "deployment.changed".to_owned(),
        subject: subject(&rollout.service, &rollout.environment),
        reason: reason.to_owned(),
        before: Some(json!({ "version": deployment.version })),
        after: Some(
            json!({ "version": rollout.to, "commit": after.commit, "rollout": rollout.id }),
        ),
    })?;
    Ok(())
}

/// Points an alias at a roll-out's version, and tells webhooks when it pointed elsewhere.
fn point(tx: &mut Tx<'_>, rollout: &Rollout, alias: &str, now: Timestamp) -> Result<()> {
    let Rollout {
        project, model, to, ..
    } = rollout;
    if tx.set_alias(project, model, alias, *to)? == Some(*to) {
        return Ok(());
    }
    tx.tell(&Happening {
        project: project.clone(),
        event: "model_version_alias.created".to_owned(),
        data: json!({ "name": model, "alias": alias, "version": to.to_string() }),
        at: now,
    })
}

/// Stops keeping the version before warm, unless the deployment has moved on since it was read. What serves stays.
///
/// # Errors
/// When the store fails.
pub fn let_go(tx: &mut Tx<'_>, seen: &Deployment, why: &str, now: Timestamp) -> Result<()> {
    let known = tx.deployment(&seen.project, &seen.environment, &seen.service)?;
    let Some(known) = known.filter(|known| {
        (known.version, known.previous, known.keep_previous_until)
            == (seen.version, seen.previous, seen.keep_previous_until)
    }) else {
        return Ok(());
    };
    let Some(previous) = known.previous else {
        return Ok(());
    };
    tx.put_deployment(&Deployment {
        keep_previous_until: Some(now),
        ..known.clone()
    })?;
    tx.append_event(&NewEvent {
        project: Some(known.project.clone()),
        at: now,
        actor: RECONCILER.to_owned(),
        kind: "deployment.cooled".to_owned(),
        subject: subject(&known.service, &known.environment),
        reason: format!("version {previous} is not kept warm any longer: {why}"),
        before: Some(json!({ "keep_previous_until": known.keep_previous_until })),
        after: Some(json!({ "keep_previous_until": now })),
    })?;
    Ok(())
}

/// Ends a roll-out in the given state, as `by` decided; but for [`promote`], what served before serves alone again.
///
/// # Errors
/// When the roll-out is gone.
pub fn end(
    tx: &mut Tx<'_>,
    rollout: &mut Rollout,
    by: &str,
    state: RolloutState,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    let before = rollout.state;
    rollout.state = state;
    rollout.reason = reason.to_owned();
    rollout.ended_at = Some(now);
    tx.update_rollout(rollout)?;
    event(tx, rollout, by, before, now)
}

/// Records a roll-out's change of state or stage, which `by` made.
///
/// # Errors
/// When the roll-out is gone.
pub fn step(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    by: &str,
    before: RolloutState,
    now: Timestamp,
) -> Result<()> {
    tx.update_rollout(rollout)?;
    event(tx, rollout, by, before, now)
}

fn event(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    by: &str,
    before: RolloutState,
    now: Timestamp,
) -> Result<()> {
    tx.append_event(&NewEvent {
        project: Some(rollout.project.clone()),
        at: now,
        actor: by.to_owned(),
        kind: format!("rollout.{}", rollout.state),
        subject: subject(&rollout.service, &rollout.environment),
        reason: rollout.reason.clone(),
        before: Some(json!({ "state": before })),
        after: Some(json!({ "rollout": rollout.id, "version": rollout.to, "from": rollout.from, "stage": rollout.stage })),
    })?;
    Ok(())
}

/// Records a new roll-out, whose `by` asked for it.
///
/// # Errors
/// When there is a roll-out of this id.
pub fn begin(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<()> {
    tx.insert_rollout(rollout)?;
    tx.append_event(&NewEvent {
        project: Some(rollout.project.clone()),
        at: rollout.created_at,
        actor: rollout.by.clone(),
        kind: "rollout.begun".to_owned(),
        subject: subject(&rollout.service, &rollout.environment),
        reason: rollout.reason.clone(),
        before: None,
        after: Some(json!({ "rollout": rollout.id, "version": rollout.to, "from": rollout.from })),
    })?;
    Ok(())
}

/// The part of a roll-out's comparison that is of captured requests.
pub const CAPTURED: &str = "captured";

/// Records how the answers of a roll-out's versions to captured requests compare; `headline` says it in one line.
///
/// # Errors
/// When the roll-out is gone.
pub fn compared(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    headline: &str,
    comparison: &Value,
    now: Timestamp,
) -> Result<()> {
    tx.set_comparison(&rollout.id, CAPTURED, comparison)?;
    tx.append_event(&NewEvent {
        project: Some(rollout.project.clone()),
        at: now,
        actor: RECONCILER.to_owned(),
        kind: "rollout.compared".to_owned(),
        subject: subject(&rollout.service, &rollout.environment),
        reason: headline.to_owned(),
        before: None,
        after: Some(json!({ "rollout": rollout.id, "version": rollout.to })),
    })?;
    Ok(())
}

/// The deployment a roll-out moves.
///
/// # Errors
/// When it is gone.
pub fn deployment(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<Deployment> {
    tx.deployment(&rollout.project, &rollout.environment, &rollout.service)?
        .ok_or_else(|| {
            Error::missing(
                "service",
                format!("{}@{}", rollout.service, rollout.environment),
            )
        })
}

fn commit(version: &ModelVersion) -> Option<String> {
    version.lineage["commit"].as_str().map(str::to_owned)
}

fn keep_previous(deployment: &Deployment) -> SignedDuration {
    let service: Option<Service> = serde_json::from_value(deployment.shape.clone()).ok();
    let millis = service.map_or(3_600_000, |service| {
        service.rollout.keep_previous.as_millis()
    });
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
