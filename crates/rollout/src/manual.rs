//! What a person can do to what serves: promote, roll back, pause, resume. Each is one urgent transaction.
//!
//! Going back to the previous version while it is warm changes the deployment at once; everything else becomes a
//! roll-out that the reconciler carries out.

use crate::{freeze, reconcile::fit, record};
use inference::signature::Mismatch;
use jiff::Timestamp;
use serde_json::json;
use store::{
    Deployment, Deployments as _, Error, GateState, ModelVersion, Models as _, Result, Rollout,
    RolloutFilter, RolloutKind, RolloutState, Rollouts as _, Tx,
};

/// Who asks for what, where.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether this is the project's last environment.
    pub last_environment: bool,
    /// Id for the roll-out that this makes.
    pub id: String,
    /// When.
    pub now: Timestamp,
}

/// Starts a roll-out to a version, through the stages unless `at_once`.
///
/// # Errors
/// When there is no such service or version, another roll-out is going on, or something speaks against the version (its
/// gate, other inputs, a freeze) and no reason is given.
pub fn promote(tx: &mut Tx<'_>, wish: &Wish, version: u32, at_once: bool) -> Result<Rollout> {
    let deployment = place(tx, wish)?;
    let row = tx
        .version(&wish.project, &deployment.model, version)?
        .ok_or_else(|| Error::missing("version", version.to_string()))?;
    if row.artifact.is_none() {
        return Err(Error::Conflict(format!(
            "version {version} has no model that can be served"
        )));
    }
    if deployment.version == Some(version) {
        return Err(Error::Conflict(format!(
            "version {version} serves in {} already",
            wish.environment
        )));
    }
    if let Some(active) = active(tx, wish)? {
        return Err(Error::Conflict(format!(
            "a roll-out to version {} is going on: wait for it, or end it with `mainspan rollback {}`",
            active.to, wish.service
        )));
    }
    if wish.reason.trim().is_empty() {
        let objections = objections(tx, wish, &deployment, &row)?;
        if !objections.is_empty() {
            return Err(Error::Conflict(format!(
                "version {version} {}: say why it should serve all the same with --reason",
                objections.join(", and it ")
            )));
        }
    }
    begin(
        tx,
        wish,
        &deployment,
        version,
        RolloutKind::ManualPromote,
        at_once,
    )
}

/// All that a reason overrules, since whoever gives one should have heard all of it.
fn objections(
    tx: &mut Tx<'_>,
    wish: &Wish,
    deployment: &Deployment,
    row: &ModelVersion,
) -> Result<Vec<String>> {
    let mut objections = Vec::new();
    if row.gate_state != GateState::Passed {
        objections.push(format!("passed no gate ({})", row.gate_state));
    }
    if let Some(mismatch) = difference(tx, wish, deployment, &row.signature)? {
        let inputs: Vec<String> = mismatch
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        objections.push(format!(
            "takes other requests than the one that serves: {}",
            inputs.join("; ")
        ));
    }
    if let Some(frozen) = freeze::frozen(deployment, wish.now) {
        let (words, place) = (freeze::words(&frozen), &wish.environment);
        objections.push(format!("would come to {place}, which is {words}"));
    }
    Ok(objections)
}

/// How the inputs of a version differ from those of the one that serves.
fn difference(
    tx: &mut Tx<'_>,
    wish: &Wish,
    deployment: &Deployment,
    signature: &serde_json::Value,
) -> Result<Option<Mismatch>> {
    let Some(version) = deployment.version else {
        return Ok(None);
    };
    let serves = tx.version(&wish.project, &deployment.model, version)?;
    Ok(serves.and_then(|serves| fit::difference(&serves.signature, signature)))
}

/// Takes traffic back: ends an active roll-out, or else goes to the version before (or to `to`).
///
/// # Errors
/// When there is nothing to go back to.
pub fn roll_back(tx: &mut Tx<'_>, wish: &Wish, to: Option<u32>) -> Result<Rollout> {
    let deployment = place(tx, wish)?;
    if let Some(mut active) = active(tx, wish)? {
        let reason = sentence(&format!("taken back by {}", wish.by), &wish.reason);
        record::end(
            tx,
            &mut active,
            &wish.by,
            RolloutState::RolledBack,
            &reason,
            wish.now,
        )?;
        if to.is_none() {
            return Ok(active);
        }
    }
    let target = to.or(deployment.previous).ok_or_else(|| {
        Error::Conflict(format!(
            "{} has no previous version in {}: name one with --to",
            wish.service, wish.environment
        ))
    })?;
    if deployment.version == Some(target) {
        return Err(Error::Conflict(format!(
            "version {target} serves in {} already",
            wish.environment
        )));
    }
    if tx
        .version(&wish.project, &deployment.model, target)?
        .is_none()
    {
        return Err(Error::missing("version", target.to_string()));
    }
    let mut rollout = begin(
        tx,
        wish,
        &deployment,
        target,
        RolloutKind::ManualRollback,
        true,
    )?;
    let warm = deployment.previous == Some(target)
        && deployment
            .keep_previous_until
            .is_some_and(|until| until > wish.now);
    if warm {
        let reason = rollout.reason.clone();
        record::promote(
            tx,
            &mut rollout,
            &wish.by,
            &reason,
            wish.last_environment,
            wish.now,
        )?;
    }
    Ok(rollout)
}

/// Holds a roll-out at its stage, or lets it go on; with a reason, in a freeze too.
///
/// # Errors
/// When there is no active roll-out, or a freeze holds it and no reason is given.
pub fn pause(tx: &mut Tx<'_>, wish: &Wish, paused: bool) -> Result<Rollout> {
    let deployment = place(tx, wish)?;
    let mut rollout = active(tx, wish)?.ok_or_else(|| {
        Error::Conflict(format!(
            "no roll-out of {} is going on in {}",
            wish.service, wish.environment
        ))
    })?;
    let before = rollout.state;
    let held = freeze::holds(&deployment, &rollout, wish.now).filter(|_| !paused);
    let why = wish.reason.trim();
    if held.is_some() && !why.is_empty() {
        freeze::overrule(&mut rollout, why);
    }
    match (before, paused, held) {
        (RolloutState::Running, true, _) => rollout.state = RolloutState::Paused,
        (RolloutState::Paused, false, _) => rollout.state = RolloutState::Running,
        (RolloutState::Running | RolloutState::Starting, false, Some(held)) => {
            if why.is_empty() {
                return Err(Error::Conflict(format!(
                    "the roll-out is {held}: say why it should go on all the same with --reason"
                )));
            }
        }
        _ => return Err(Error::Conflict(format!("the roll-out is {before}"))),
    }
    rollout.reason = sentence(
        &format!(
            "{} by {}",
            if paused { "paused" } else { "resumed" },
            wish.by
        ),
        &wish.reason,
    );
    record::step(tx, &rollout, &wish.by, before, wish.now)?;
    Ok(rollout)
}

fn begin(
    tx: &mut Tx<'_>,
    wish: &Wish,
    deployment: &Deployment,
    to: u32,
    kind: RolloutKind,
    at_once: bool,
) -> Result<Rollout> {
    let verb = if kind == RolloutKind::ManualRollback {
        "rolled back"
    } else {
        "promoted"
    };
    let mut rollout = Rollout {
        id: wish.id.clone(),
        project: wish.project.clone(),
        environment: wish.environment.clone(),
        service: wish.service.clone(),
        model: deployment.model.clone(),
        from: deployment.version,
        to,
        kind,
        state: RolloutState::Pending,
        stage: -1,
        stage_started_at: None,
        created_at: wish.now,
        ended_at: None,
        by: wish.by.clone(),
        reason: sentence(&format!("{verb} by {}", wish.by), &wish.reason),
        policy: json!({ "at_once": at_once }),
        baseline: json!({}),
        evidence: json!({}),
    };
    // Whoever gives a reason in a freeze means it.
    let why = wish.reason.trim();
    if !why.is_empty() && freeze::holds(deployment, &rollout, wish.now).is_some() {
        freeze::overrule(&mut rollout, why);
    }
    record::begin(tx, &rollout)?;
    Ok(rollout)
}

fn place(tx: &mut Tx<'_>, wish: &Wish) -> Result<Deployment> {
    tx.deployment(&wish.project, &wish.environment, &wish.service)?
        .ok_or_else(|| Error::missing("service", format!("{}@{}", wish.service, wish.environment)))
}

fn active(tx: &mut Tx<'_>, wish: &Wish) -> Result<Option<Rollout>> {
    let filter = RolloutFilter {
        project: Some(wish.project.clone()),
        environment: Some(wish.environment.clone()),
        service: Some(wish.service.clone()),
        active: true,
        limit: 1,
    };
    Ok(tx.rollouts(&filter)?.into_iter().next())
}

fn sentence(what: &str, why: &str) -> String {
    let why = why.trim();
    if why.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {why}")
    }
}

#[cfg(test)]
mod tests;
