//! What running a unit costs beyond the bare process: wall and CPU time per unit.
//!
//! `cargo run --release -p platform --example overhead [ROUNDS] [SHIM]`. Chains of ten `python3 -c
//! pass`, bare and as units in turn, and as units two at a time; typical of all rounds. The example
//! is its own shim unless another program is named. CPU time is that of this process and of all its
//! children that have ended; the removal of the unit is part of it.

#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use platform::{Local, LocalOptions, Platform, UnitSpec};
use tokio_util::sync::CancellationToken;

const COMMAND: [&str; 3] = ["/usr/bin/python3", "-c", "pass"];
/// Processes in one measurement.
const CHAIN: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, dir] = arguments.as_slice()
        && role == "unit"
    {
        return platform::shim::main(&PathBuf::from(dir));
    }
    let rounds = arguments
        .get(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    let shim = arguments.get(2).cloned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(measure(rounds, shim)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(rounds: usize, shim: Option<String>) -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("platform-overhead-{}", std::process::id()));
    let mut options = LocalOptions::new(&dir)?;
    if let Some(shim) = shim {
        options.shim = vec![shim, "unit".into()];
    }
    let local = Local::open(options, &CancellationToken::new()).await?;
    let (mut bare, mut chain, mut wide) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        bare.push(timed(run_bare).await?);
        chain.push(timed(async || run_chain(&local, round).await).await?);
        wide.push(timed(async || run_wide(&local, round).await).await?);
    }
    let (bare, chain, wide) = (typical(&bare), typical(&chain), typical(&wide));
    println!("bare: {:.2} ms wall, {:.2} ms cpu", bare.wall, bare.cpu);
    println!(
        "unit, one after the other: +{:.2} ms wall, +{:.2} ms cpu",
        chain.wall - bare.wall,
        chain.cpu - bare.cpu
    );
    println!(
        "unit, two at a time: {:.2} ms wall in all, +{:.2} ms cpu",
        wide.wall,
        wide.cpu - bare.cpu
    );
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

async fn run_bare() -> Result<(), Box<dyn Error>> {
    for _ in 0..CHAIN {
        tokio::process::Command::new(COMMAND[0])
            .args(&COMMAND[1..])
            .env_clear()
            .status()
            .await?;
    }
    Ok(())
}

async fn run_chain(local: &Local, round: usize) -> Result<(), Box<dyn Error>> {
    for index in 0..CHAIN {
        run(local, &format!("chain-{round}-{index}")).await?;
    }
    Ok(())
}

async fn run_wide(local: &Local, round: usize) -> Result<(), Box<dyn Error>> {
    for index in (0..CHAIN).step_by(2) {
        let (one, two) = (
            format!("wide-{round}-{index}-a"),
            format!("wide-{round}-{index}-b"),
        );
        tokio::try_join!(run(local, &one), run(local, &two))?;
    }
    Ok(())
}

async fn run(local: &Local, id: &str) -> Result<(), Box<dyn Error>> {
    let mut spec = UnitSpec::new(id, "overhead", COMMAND.map(String::from).to_vec());
    spec.limits.cpu = Some(1.0);
    spec.limits.cpu_enforced = true;
    spec.limits.memory = Some(256 << 20);
    spec.limits.pids = Some(512);
    spec.limits.time = Some(Duration::from_secs(60));
    let mut changed = local.changed();
    local.start(spec).await?;
    while !local.status(id).await?.state.is_over() {
        changed.changed().await?;
    }
    local.remove(id).await?;
    Ok(())
}

/// Milliseconds for one process.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// The median wall time, and the mean CPU time, as the kernel shows that in steps of 10 ms.
fn typical(costs: &[Cost]) -> Cost {
    let mut walls: Vec<f64> = costs.iter().map(|cost| cost.wall).collect();
    walls.sort_by(f64::total_cmp);
    let cpu = costs.iter().map(|cost| cost.cpu).sum::<f64>() / costs.len() as f64;
    Cost {
        wall: walls.get(walls.len() / 2).copied().unwrap_or(f64::NAN),
        cpu,
    }
}

async fn timed(
    work: impl AsyncFnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Cost, Box<dyn Error>> {
    let (wall, cpu) = (Instant::now(), cpu_millis()?);
    work().await?;
    let count = CHAIN as f64;
    Ok(Cost {
        wall: wall.elapsed().as_secs_f64() * 1e3 / count,
        cpu: (cpu_millis()? - cpu) / count,
    })
}

/// CPU time of this process and its ended children (proc_pid_stat(5), fields 14 to 17).
fn cpu_millis() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(") ").ok_or("unreadable /proc/self/stat")?;
    let ticks: f64 = rest
        .split(' ')
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks * 10.0)
}
