//! Traces of a server.

use crate::{
    error::Result,
    http::Http,
    source::{Page, Trace},
};

pub(super) fn page(_http: &Http, _experiment: &str, _after: Option<&str>) -> Result<Page<Trace>> {
    Ok(Page {
        items: Vec::new(),
        next: None,
    })
}
