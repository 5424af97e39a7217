//! `/healthz`, `/readyz` and `/metrics` at an address of their own, on a thread of their own.
//!
//! While all other threads are busy with answers, the platform can still check the server, and scrape it. The thread
//! lives until the server has stopped, so that a draining server does not look dead.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::App;
use crate::config::Config;
use crate::router;
use crate::serve::Acceptor;

/// The thread that answers probes; it ends when this is dropped.
pub struct Probes {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Probes {
    /// Listens on the first of `addresses` that is free.
    ///
    /// # Errors
    /// No address is free, or the operating system refuses the thread.
    pub fn start(config: &Config, app: &Arc<App>, addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(addresses)
            .with_context(|| format!("cannot listen for probes on {addresses:?}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let acceptor = {
            // The listener belongs to the runtime of its thread.
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            Acceptor::new(config, app, listener, router::probes(app), stopped)
        };
        std::thread::Builder::new()
            .name("probes".to_owned())
            .spawn(move || runtime.block_on(acceptor.accept_until_stopped()))
            .context("cannot start the thread of probes")?;
        Ok(Self { address, stop })
    }

    /// The address at which probes are answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
