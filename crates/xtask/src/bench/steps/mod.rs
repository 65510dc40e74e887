//! Topic `steps`: starting up, idling, what the platform adds to a step, and how long a commit and
//! a service without a replica take to answer.

mod bare;
mod overhead;
mod ship;

use super::{
    process,
    product::{Product, Role, pause},
    report::{Figure, median},
};
use std::{path::Path, time::Duration};

const BENCH: &str = "steps";
/// How often starting is measured.
const STARTS: usize = 7;
/// How long both planes have nothing to do before their memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// Measures everything; takes about three minutes.
pub(super) fn measure(binary: &Path) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let product = Product::new(binary, folder.path())?;
    let mut figures = Vec::new();
    {
        // Work first, so that starting is measured on a state directory that has something in it.
        let (server, _gateway) = (product.server()?, product.gateway()?);
        figures.extend(ship::measure(&product, folder.path())?);
        figures.extend(ship::from_zero(&product, folder.path())?);
        figures.extend(overhead::measure(&product, folder.path(), server.pid())?);
        ship::end(&product, folder.path())?;
    }
    let (mut server_ready, mut gateway_ready, mut memory) = (Vec::new(), Vec::new(), None);
    for start in 1..=STARTS {
        let (server, gateway) = (product.server()?, product.gateway()?);
        server_ready.push(server.ready.as_secs_f64());
        gateway_ready.push(gateway.ready.as_secs_f64());
        if start == STARTS {
            pause(IDLE);
            memory = Some(of_both(&server, &gateway)?);
        }
    }
    figures.push(Figure::at_most(
        BENCH,
        "server_ready",
        median(server_ready),
        "s",
        0.2,
    ));
    figures.push(Figure::at_most(
        BENCH,
        "gateway_ready",
        median(gateway_ready),
        "s",
        0.2,
    ));
    if let Some((server, gateway)) = memory {
        let proportional = server.proportional + gateway.proportional;
        figures.push(Figure::at_most(
            BENCH,
            "idle_memory",
            proportional,
            "MB",
            80.0,
        ));
        let resident = server.resident + gateway.resident;
        figures.push(Figure::told(BENCH, "idle_memory_resident", resident, "MB"));
    }
    Ok(figures)
}

fn of_both(server: &Role, gateway: &Role) -> anyhow::Result<(process::Memory, process::Memory)> {
    Ok((
        process::memory(server.pid())?,
        process::memory(gateway.pid())?,
    ))
}
