//! Starting and stopping replica units.

use super::{
    Fault, Reconciler,
    replicas::{self, Move, Place},
    situation::Situation,
    table,
};
use crate::traffic::Traffic;
use jiff::Timestamp;
use platform::{Reason, UnitStatus};
use std::{collections::BTreeMap, sync::PoisonError};
use store::{Digest, Models as _};

impl<T: Traffic> Reconciler<T> {
    /// Starts the replicas that are missing.
    pub(super) async fn replicas(
        &self,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let units = self.parts.platform.list().await?;
        let wanted = self.wanted(situation, &units, now);
        let mut waiting = BTreeMap::new();
        for due in replicas::moves(&wanted, &units, now.as_second()) {
            if let Move::Start {
                place,
                replica,
                restart,
            } = due
            {
                match self.start(situation, &place, replica, restart).await? {
                    Started::Yes => self.tell_of_the_last(&units, &place, replica, now).await?,
                    Started::NoRoom(lacks) => {
                        waiting.insert(place, lacks);
                    }
                    Started::No => {}
                }
            }
        }
        let mut known = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != waiting {
            for (place, lacks) in &waiting {
                let (service, version) = (&place.service, place.version);
                tracing::warn!(service, version, lacks, "a replica waits for room");
            }
            *known = waiting;
        }
        Ok(())
    }

    /// Records how the replica ended that had this number before, if nobody ended it.
    async fn tell_of_the_last(
        &self,
        units: &[UnitStatus],
        place: &Place,
        replica: u32,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let last = replicas::last_end(units, place, replica);
        let Some(exit) = last.filter(|exit| exit.reason != Reason::Stopped) else {
            return Ok(());
        };
        let how = match exit.message.as_str() {
            "" => "it ended by itself",
            message => message,
        };
        let what = format!("was started again: {how}");
        self.record_end(place, replica, &what, now).await
    }

    /// Says why a replica does not start yet, once for each reason.
    fn cannot_start(&self, place: &Place, why: String) {
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        if unready.get(place) != Some(&why) {
            let (service, version) = (&place.service, place.version);
            tracing::warn!(service, version, why, "a replica cannot start yet");
            unready.insert(place.clone(), why);
        }
    }

    fn can_start(&self, place: &Place) {
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        unready.remove(place);
    }

    /// Starts a replica.
    async fn start(
        &self,
        situation: &Situation,
        place: &Place,
        replica: u32,
        restart: u32,
    ) -> Result<Started, Fault> {
        let Some(deployment) = situation
            .deployments()
            .find(|d| table::place(d, place.version) == *place)
        else {
            return Ok(Started::No);
        };
        let (project, model, version) = (
            deployment.project.clone(),
            deployment.model.clone(),
            place.version,
        );
        let row = self
            .parts
            .store
            .read(move |tx| tx.version(&project, &model, version))
            .await?;
        let Some(row) = row.filter(|row| row.artifact.is_some()) else {
            tracing::error!(version, "a version that should serve has no model");
            return Ok(Started::No);
        };
        let Some(service) = table::service_of(deployment) else {
            return Ok(Started::No);
        };
        let start = match self.parts.engines.start(&service, &row).await {
            Ok(start) => start,
            Err(why) => {
                self.cannot_start(place, why);
                return Ok(Started::No);
            }
        };
        self.can_start(place);
        let id = id(place, replica, restart);
        let mut unit = start.unit(id, &place.project, &service, &self.parts.engine);
        unit.labels.extend(labels(place, replica, restart));
        match self.parts.platform.start(unit).await {
            Ok(_) => Ok(Started::Yes),
            Err(platform::Error::NoRoom(what) | platform::Error::TooLarge(what)) => {
                Ok(Started::NoRoom(what))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What became of a start.
enum Started {
    Yes,
    /// What is short.
    NoRoom(String),
    /// Something else is missing, which was said.
    No,
}

/// Short, because a Unix socket's path may have 107 bytes; the labels say the rest.
fn id(place: &Place, replica: u32, restart: u32) -> String {
    let whole =
        Digest::of(format!("{}/{}/{}", place.project, place.environment, place.service).as_bytes());
    let short = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8)
            .collect::<String>()
    };
    format!(
        "{}-{}-{}-v{}-{replica}-{restart}",
        short(&place.service),
        short(&place.environment),
        &whole.hex()[..6],
        place.version
    )
}

fn labels(place: &Place, replica: u32, restart: u32) -> BTreeMap<String, String> {
    let [project, environment, service, version, number, again] = replicas::LABELS;
    let pairs = [
        ("kind", "replica".to_owned()),
        (project, place.project.clone()),
        (environment, place.environment.clone()),
        (service, place.service.clone()),
        (version, place.version.to_string()),
        (number, replica.to_string()),
        (again, restart.to_string()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
