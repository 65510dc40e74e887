//! The routing table as one thread serves it: with its counters and connections.
//!
//! Made anew by [`crate::worker`] whenever the table changes; requests keep the one they began
//! with until they look again. Must never be shared between threads.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::evidence::Counters;
use crate::fields::{self, Raw};
use crate::hold::Held;
use crate::load::{Load, Stay};
use crate::mirror::LiveMirror;
use crate::queue::{self, Bounds, Line};
use crate::replica::Replica;
use crate::split;
use crate::table::{Index, Route};

/// What a thread serves.
#[derive(Debug)]
pub(crate) struct Live {
    /// The table it was made from.
    pub(crate) index: Arc<Index>,
    /// In the table's order.
    pub(crate) routes: Vec<LiveRoute>,
}

/// One route.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    /// As in the table.
    pub(crate) route: Arc<Route>,
    /// `project/environment/service`.
    pub(crate) key: Rc<str>,
    /// What the salt stands for.
    pub(crate) seed: u64,
    /// What keeps its version.
    pub(crate) sticky: Sticky,
    /// In the table's order.
    pub(crate) arms: Vec<LiveArm>,
    /// Longest body.
    pub(crate) max_body: usize,
    /// Longest attempt.
    pub(crate) timeout: Duration,
    /// Most requests held for one version, in all threads together.
    pub(crate) max_held: usize,
    /// How long one is held.
    pub(crate) hold: Duration,
    /// Who gets copies of its requests.
    pub(crate) mirror: Option<LiveMirror>,
}

/// The unit of assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sticky {
    /// Each request by itself.
    Request,
    /// A field of the body.
    Field(String),
    /// A header.
    Header(HeaderName),
}

/// One version.
#[derive(Debug)]
pub(crate) struct LiveArm {
    /// Which.
    pub(crate) version: u32,
    /// The model's name.
    pub(crate) model: String,
    /// Its number as a header.
    pub(crate) header: HeaderValue,
    /// Its share.
    pub(crate) weight: f64,
    /// This thread's counters of it.
    pub(crate) counters: Arc<Counters>,
    /// This thread's requests for it.
    pub(crate) load: Rc<Load>,
    /// Those of all threads that wait for a replica.
    pub(crate) held: Held,
    /// Its replicas.
    pub(crate) replicas: Vec<Rc<Replica>>,
    /// How many requests it takes.
    pub(crate) bounds: Bounds,
    /// This thread's requests that wait for a place at it.
    pub(crate) line: Line,
}

impl Live {
    /// The route at a base path.
    pub(crate) fn by_base(&self, base: &str) -> Option<&LiveRoute> {
        self.index.by_base(base).map(|at| &self.routes[at])
    }

    /// All versions of all routes.
    pub(crate) fn arms(&self) -> impl Iterator<Item = &LiveArm> {
        self.routes.iter().flat_map(|route| &route.arms)
    }
}

impl LiveRoute {
    /// The arm that a value keeps, or a random number decides.
    pub(crate) fn choose(&self, sticky: Option<&[u8]>, random: u64) -> &LiveArm {
        let u = match sticky {
            Some(value) => split::unit(self.seed, value),
            None => split::fraction(random),
        };
        &self.arms[split::choose(self.arms.iter().map(|arm| arm.weight), u)]
    }

    /// The arm of a version.
    pub(crate) fn version(&self, version: u32) -> Option<&LiveArm> {
        self.arms.iter().find(|arm| arm.version == version)
    }

    /// The arm that has most of the traffic, for questions that are not predictions.
    pub(crate) fn main(&self) -> &LiveArm {
        let mut main = &self.arms[0];
        for arm in &self.arms {
            if arm.weight > main.weight {
                main = arm;
            }
        }
        main
    }

    /// Whether every version that takes traffic has a replica that answers.
    pub(crate) fn is_ready(&self) -> bool {
        let takes_traffic = |arm: &&LiveArm| arm.weight > 0.0;
        self.arms
            .iter()
            .filter(takes_traffic)
            .all(LiveArm::is_ready)
    }
}

impl LiveArm {
    /// A request is for this version from now on, and not held if a replica answers.
    pub(crate) fn count_in(&self, stay: &mut Option<Stay>) {
        let stay = match stay {
            Some(stay) => {
                stay.go_on(&self.load);
                stay
            }
            None => stay.insert(Stay::begin(&self.load)),
        };
        if stay.is_held() && self.is_ready() {
            stay.release();
        }
    }

    /// Whether a replica answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.replicas.iter().any(|replica| replica.is_up())
    }

    /// Whether another replica than this one answers.
    pub(crate) fn has_other(&self, than: &Path) -> bool {
        let mut others = self
            .replicas
            .iter()
            .filter(|replica| replica.path() != than);
        others.any(|replica| replica.is_up())
    }

    /// The replica that answers with the fewest requests of all threads: none that is left out if
    /// there is another, and another than `avoid` if there is one. Of several, `turn` decides, so
    /// that none is always first.
    pub(crate) fn least_loaded(&self, avoid: Option<&Path>, turn: u64) -> Option<&Rc<Replica>> {
        let most = self.replicas.len().max(1) as u64;
        let (after, before) = self.replicas.split_at((turn % most) as usize);
        let load = |replica: &&Rc<Replica>| {
            let is_last_choice = Some(replica.path()) == avoid;
            let is_out = replica.standing().is_out();
            (is_out, is_last_choice, replica.places().taken())
        };
        let all = before.iter().chain(after);
        all.filter(|replica| replica.is_up()).min_by_key(load)
    }

    /// Its number as the protocol writes versions.
    pub(crate) fn version_text(&self) -> String {
        self.version.to_string()
    }

    /// Requests of all threads at all its replicas.
    pub(crate) fn in_flight(&self) -> usize {
        self.replicas
            .iter()
            .map(|replica| replica.places().taken())
            .sum()
    }

    /// In how many seconds a request that is turned away now should come again.
    pub(crate) fn retry_after(&self) -> u32 {
        let up = self.replicas.iter().filter(|replica| replica.is_up());
        let times = up.clone().filter_map(|replica| replica.standing().times());
        let typical = times.map(|times| times.typical).max();
        let places = self.bounds.replica.saturating_mul(up.count());
        let places = places.min(self.bounds.version);
        queue::retry_after(self.line.crowd().waiting(), places, typical)
    }
}

impl Sticky {
    /// As the table says. A header name that cannot be is never there; tables are checked before.
    pub(crate) fn of(route: &Route) -> Self {
        match (route.sticky_header(), &route.sticky) {
            (Some(name), _) => HeaderName::try_from(name).map_or(Self::Request, Self::Header),
            (None, Some(field)) => Self::Field(field.clone()),
            (None, None) => Self::Request,
        }
    }

    /// What keeps the version of a request with this header and this field, as text.
    pub(crate) fn value<'a>(
        &self,
        header: Option<&'a HeaderValue>,
        field: Option<Raw<'a>>,
    ) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Request => None,
            Self::Header(_) => header.map(|value| Cow::Borrowed(value.as_bytes())),
            Self::Field(_) => field.map(|raw| match fields::text(raw) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
        }
    }

    /// The header, if it is one.
    pub(crate) fn header<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        match self {
            Self::Header(name) => headers.get(name),
            Self::Request | Self::Field(_) => None,
        }
    }

    /// The body's field, if it is one.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Request | Self::Header(_) => None,
        }
    }
}
