//! Connections through a third party that can cut them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Passes on what comes, and cuts all connections of the moment each time so many bytes have come from the server.
pub struct Proxy {
    pub address: SocketAddr,
    pub cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn start(server: SocketAddr, cut_after: usize, cuts: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicUsize::new(cuts));
        let done = Arc::new(AtomicUsize::new(0));
        let proxy = Self { address, cuts: done.clone() };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { return };
                let (left, done) = (left.clone(), done.clone());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(from, to, |_| false));
                thread::spawn(move || {
                    pass(server, client, |passed| {
                        let cut = passed > cut_after
                            && left
                                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                                .is_ok();
                        done.fetch_add(usize::from(cut), Ordering::SeqCst);
                        cut
                    });
                });
            }
        });
        proxy
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut cut: impl FnMut(usize) -> bool) {
    let mut buffer = vec![0; 1 << 14];
    let mut passed = 0;
    while let Ok(count) = from.read(&mut buffer) {
        passed += count;
        if count == 0 || cut(passed) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
