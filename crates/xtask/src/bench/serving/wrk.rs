//! One cell of load by `wrk`.

use super::bodies::Kind;
use anyhow::{Context as _, bail, ensure};
use std::{net::SocketAddr, process::Command};

/// What a cell lasts.
const LASTS: &str = "3s";
/// What one with an only client lasts: there are many of them, as such a client is at the mercy of each neighbour.
const ALONE_LASTS: &str = "1s";

/// Takes the bodies in turn; each request is written once, before the load begins.
const SCRIPT: &str = r#"
function init(args)
  requests = {}
  local headers = { ["Content-Type"] = "application/json" }
  local add = function(body) requests[#requests + 1] = wrk.format("POST", nil, headers, body) end
  if args[2] == nil then
    for line in io.lines(args[1]) do add(line) end
  else
    headers["Content-Type"] = "application/octet-stream"
    headers["Inference-Header-Content-Length"] = args[3]
    local file = io.open(args[1], "rb")
    while true do
      local body = file:read(tonumber(args[2]))
      if body == nil then break end
      add(body)
    end
  end
  at = 0
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"#;

/// The program.
pub(super) struct Wrk {
    script: tempfile::NamedTempFile,
}

/// What a cell was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Requests a second.
    pub(super) rate: f64,
    /// Seconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Wrk {
    /// Looks whether it is there.
    pub(super) fn find() -> anyhow::Result<Self> {
        // It says its version with exit code 1.
        Command::new("wrk")
            .arg("-v")
            .output()
            .context("there is no `wrk`: `apt-get install wrk` brings it")?;
        let script = tempfile::Builder::new().suffix(".lua").tempfile()?;
        std::fs::write(script.path(), SCRIPT)?;
        Ok(Wrk { script })
    }

    /// Loads a server with requests of one kind.
    pub(super) fn load(
        &self,
        address: SocketAddr,
        path: &str,
        kind: &Kind,
        clients: usize,
    ) -> anyhow::Result<Load> {
        let mut command = Command::new("wrk");
        command
            .args([
                "-t1",
                "-d",
                if clients == 1 { ALONE_LASTS } else { LASTS },
                "--latency",
                &format!("-c{clients}"),
                "-s",
            ])
            .arg(self.script.path())
            .arg(format!("http://{address}{path}"))
            .arg("--")
            .arg(&kind.file);
        if let Some((size, json)) = kind.raw {
            command.args([size.to_string(), json.to_string()]);
        }
        let done = command.output()?;
        let text = String::from_utf8_lossy(&done.stdout);
        ensure!(done.status.success(), "wrk failed: {text}");
        if let Some(line) = text
            .lines()
            .find(|l| l.contains("Non-2xx") || l.contains("Socket errors"))
        {
            bail!("{address}{path}: {}", line.trim());
        }
        read(&text).with_context(|| format!("wrk says something else: {text}"))
    }
}

fn read(text: &str) -> Option<Load> {
    let of = |name: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    Some(Load {
        rate: of("Requests/sec:")?.parse().ok()?,
        p50: seconds(&of("50%")?)?,
        p99: seconds(&of("99%")?)?,
    })
}

fn seconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Some(number.parse::<f64>().ok()? * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let text = "Running 2s test @ http://x\n  1 threads and 64 connections\n  Latency Distribution\n     50%  612.00us\n     75%    0.91ms\n     90%    1.40ms\n     99%    2.05ms\n  1 requests in 2.00s\nRequests/sec:  65432.10\nTransfer/sec:     10.00MB\n";
        let load = read(text).unwrap();
        assert!((load.rate - 65432.1).abs() < 1e-6);
        assert!((load.p50 - 612e-6).abs() < 1e-12 && (load.p99 - 2.05e-3).abs() < 1e-12);
        assert!(read("nothing").is_none());
    }
}
