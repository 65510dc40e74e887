//! The bare server that everything is compared with: axum, a thread for each core, and the body back.

use axum::{Router, body::Bytes, routing::post};
use std::net::SocketAddr;

/// Starts it in this process, for as long as that lives.
pub(super) fn start() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/", post(|body: Bytes| async { body }));
    std::thread::spawn(move || {
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // As every server does that answers small requests.
            let _ = stream.set_nodelay(true);
        });
        runtime.block_on(async { axum::serve(listener, app).await })
    });
    Ok(address)
}
