//! A server in this process.

use platform::{Local, LocalOptions, Platform};
use server::{Handle, Options};
use std::{net::SocketAddr, path::Path, sync::Arc};
use store::StoreUrl;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running server. It ends, and its state goes, when this is dropped.
///
/// Its units cannot run: their shim is `/bin/false`. It needs a multi-threaded runtime when the test blocks on a
/// client in another process.
pub struct Server {
    handle: Handle,
    owner_token: String,
    options: Options,
    _stop: DropGuard,
    _dir: TempDir,
}

impl Server {
    /// Starts one on a free port; it answers when this returns.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(dir.path());
        change(&mut options);
        std::fs::create_dir_all(&options.state_dir).unwrap();
        no_library(&options.state_dir);
        let shutdown = CancellationToken::new();
        let units = LocalOptions {
            shim: options.shim.clone(),
            control_groups: false,
            ..LocalOptions::new(options.state_dir.join("units")).unwrap()
        };
        let platform: Arc<dyn Platform> = Arc::new(Local::open(units, &shutdown).await.unwrap());
        let handle = server::start(options.clone(), platform, shutdown.clone())
            .await
            .unwrap();
        let owner_token = std::fs::read_to_string(options.owner_token_file())
            .unwrap()
            .trim()
            .to_owned();
        Server {
            handle,
            owner_token,
            options,
            _stop: shutdown.drop_guard(),
            _dir: dir,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.handle.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.address
    }

    /// A token that may do everything.
    pub fn owner_token(&self) -> &str {
        &self.owner_token
    }

    /// Its settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The token of a step's unit; it never ends.
    pub fn unit_token(&self, project: &str, run: &str, mlflow_run: &str) -> String {
        let key = guard::keys::master_key(&self.options.key).unwrap();
        let claims = guard::unit_token::Claims {
            project: project.to_owned(),
            run: run.to_owned(),
            mlflow_run: mlflow_run.to_owned(),
            expires: i64::MAX,
        };
        guard::unit_token::sign(&claims, &key)
    }
}

fn options(dir: &Path) -> Options {
    let never = vec!["/bin/false".to_owned()];
    Options {
        state_dir: dir.join("state"),
        store: StoreUrl::Sqlite,
        blobs: None,
        traffic_archive: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        key: dir.join("master.key"),
        host_names: Vec::new(),
        webhook_allow: guard::egress::Egress::default(),
        anonymous_tracking: true,
        shim: never.clone(),
        engine: never,
        default_environment: "prod".to_owned(),
        gpus: Some(0),
        supervisor: None,
        now: jiff::Timestamp::now,
    }
}

/// Keeps the server from fetching the model runtime, which no test of it needs.
fn no_library(state_dir: &Path) {
    let path = engine::library::path(state_dir);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"not there").unwrap();
}
