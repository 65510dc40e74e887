//! The sockets: one listener a thread on the data plane's address, and the admin socket.
//!
//! Called by [`crate::start`]. Must never listen where options do not allow it.

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use tokio::net::TcpSocket;

use crate::error::GatewayError;
use crate::options::Options;

/// Connections that wait to be accepted.
pub(crate) const BACKLOG: u32 = 1024;

/// Refuses an address that other machines can reach without a token.
pub(crate) fn check(options: &Options) -> Result<(), GatewayError> {
    if options.listen.ip().is_loopback() || !options.tokens.is_empty() {
        Ok(())
    } else {
        Err(GatewayError::Open(options.listen))
    }
}

/// A listener for each thread, all on one address; the kernel shares connections among them.
/// Needs a runtime with I/O.
pub(crate) fn bind(
    listen: SocketAddr,
    threads: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), GatewayError> {
    let refused = |source| GatewayError::Listen {
        address: listen,
        source,
    };
    // Sharing an address is what another gateway would do too: a listener that does not share
    // finds out whether somebody is there. It must be gone before the others come.
    let address = {
        let probe = socket(listen).map_err(refused)?;
        probe.bind(listen).map_err(refused)?;
        probe.local_addr().map_err(refused)?
    };
    let listeners: io::Result<Vec<_>> = (0..threads).map(|_| listener(address)).collect();
    Ok((address, listeners.map_err(refused)?))
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Old connections in TIME_WAIT must not keep a restarted gateway out.
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// The admin socket, for this user only. One that a dead gateway left is replaced.
pub(crate) fn bind_admin(path: &Path) -> Result<UnixListener, GatewayError> {
    let make = || {
        // Under another name until its permissions are right.
        let temporary = path.with_extension("new");
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&temporary)?;
        std::fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
        std::fs::rename(&temporary, path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    make().map_err(|source| GatewayError::Admin {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TokenHash;

    #[test]
    fn other_machines_need_a_token() {
        let check = |address: &str, tokens: &[&str], expect: &str| {
            let mut options = Options::new("/nowhere".into(), address.parse().unwrap());
            options.tokens = tokens.iter().map(|token| TokenHash::of(token)).collect();
            let got = check(&options).map_or_else(|e| e.to_string(), |()| "ok".into());
            assert!(got.contains(expect), "{address}: {got}");
        };
        check("127.0.0.1:7080", &[], "ok");
        check("[::1]:7080", &[], "ok");
        check(
            "0.0.0.0:7080",
            &[],
            "refusing to listen on 0.0.0.0:7080 without tokens",
        );
        check("[::]:7080", &[], "refusing");
        check("192.168.1.5:7080", &[], "configure at least one token");
        check("0.0.0.0:7080", &["secret"], "ok");
    }

    #[tokio::test]
    async fn an_address_is_shared_with_nobody_else() {
        let free = "127.0.0.1:0".parse().unwrap();
        let (address, listeners) = bind(free, 3).unwrap();
        assert_eq!(listeners.len(), 3);
        let error = bind(address, 1).unwrap_err().to_string();
        assert!(error.contains("stop what is using it"), "{error}");
        drop(listeners);
        bind(address, 2).unwrap();
    }

    #[tokio::test]
    async fn the_admin_socket_is_private_and_replaces_a_dead_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.sock");
        drop(bind_admin(&path).unwrap());
        assert!(path.exists());
        let _listener = bind_admin(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        let long = folder.path().join("x".repeat(120));
        let error = bind_admin(&long).unwrap_err().to_string();
        assert!(
            error.contains("choose a shorter state directory"),
            "{error}"
        );
    }
}
