//! What running a unit costs beyond the bare process: wall and CPU time per unit.
//!
//! `cargo run --release -p platform --example overhead [ROUNDS] [SHIM]`. Chains of `python3 -c pass`,
//! one after the other, bare and as units in turn, and a wide fan-out two at a time. The example is
//! its own shim unless another program is named. CPU time is that of this process and of all its
//! children that have ended.

#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use platform::{Local, LocalOptions, Platform, UnitSpec};
use tokio_util::sync::CancellationToken;

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
        .unwrap_or(50);
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
    for round in 0..3 {
        let bare = timed(rounds, async || {
            for _ in 0..rounds {
                tokio::process::Command::new("python3")
                    .args(["-c", "pass"])
                    .env_clear()
                    .status()
                    .await?;
            }
            Ok(())
        });
        let bare = bare.await?;
        let units = timed(rounds, async || {
            for index in 0..rounds {
                run(&local, &format!("chain-{round}-{index}")).await?;
            }
            Ok(())
        });
        let units = units.await?;
        let wide = timed(rounds, async || {
            for index in (0..rounds).step_by(2) {
                let (one, two) = (
                    format!("wide-{round}-{index}-a"),
                    format!("wide-{round}-{index}-b"),
                );
                tokio::try_join!(run(&local, &one), run(&local, &two))?;
            }
            Ok(())
        });
        let wide = wide.await?;
        println!(
            "bare {:.2} ms wall {:.2} ms cpu | unit +{:.2} ms wall +{:.2} ms cpu | two at a time {:.2} ms wall, +{:.2} ms cpu",
            bare.wall,
            bare.cpu,
            units.wall - bare.wall,
            units.cpu - bare.cpu,
            wide.wall,
            wide.cpu - bare.cpu
        );
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

async fn run(local: &Local, id: &str) -> Result<(), Box<dyn Error>> {
    let mut spec = UnitSpec::new(
        id,
        "overhead",
        ["python3", "-c", "pass"].map(String::from).to_vec(),
    );
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
    Ok(())
}

struct Cost {
    wall: f64,
    cpu: f64,
}

async fn timed(
    rounds: usize,
    work: impl AsyncFnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Cost, Box<dyn Error>> {
    let (wall, cpu) = (Instant::now(), cpu_millis()?);
    work().await?;
    let rounds = rounds as f64;
    Ok(Cost {
        wall: wall.elapsed().as_secs_f64() * 1e3 / rounds,
        cpu: (cpu_millis()? - cpu) / rounds,
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
