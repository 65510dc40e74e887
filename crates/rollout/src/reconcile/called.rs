//! Hearing from the gateway that somebody waits for a version without any replica, so that its start need not wait for
//! the next pass.

use crate::traffic::Traffic;
use std::time::Duration;
use tokio::sync::watch;

/// Pause after the gateway could not be asked.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells `called` of each call, and does not end.
pub(super) async fn listen<T: Traffic>(traffic: &T, called: &watch::Sender<u64>) {
    let mut known = 0;
    loop {
        match traffic.calls(known).await {
            Ok(calls) if calls == known => {}
            Ok(calls) => {
                known = calls;
                called.send_replace(calls);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
