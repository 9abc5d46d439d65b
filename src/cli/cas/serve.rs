//! `dscript cas serve`: a server of the Remote Execution API, until it is told to end.

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, ValueHint};

use super::super::figures::parse_size;
use super::super::interrupt::told_to_end;
use super::super::output::Output;
use super::failed;
use crate::cas::server::{Listener, Server, ServerOptions, TlsFiles};
use crate::cli::{Failure, Outcome};

/// Arguments of `cas serve`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ServeArgs {
    /// Listen here; port 0 is one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Take no more room than this; what was used least lately goes first
    #[arg(long, value_name = "SIZE", default_value = "10GB", value_parser = parse_size)]
    max_size: u64,
    /// Ask clients for one of the tokens in this file, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Tokens that let their clients read only
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    read_token_file: Option<PathBuf>,
    /// Let no client write
    #[arg(long)]
    read_only: bool,
    /// Speak TLS, with this certificate in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask clients for certificates that were signed by this one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Hold this many connections at a time
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,
    /// Serve this many requests and as many streams at a time
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_requests: usize,
    /// Give up on clients that neither send nor take anything for so long in a transfer, or send no request
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Keep uploads that broke off for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    keep_uploads: u64,
}

pub(super) fn run(args: ServeArgs) -> Result<Outcome, Failure> {
    let bound = Server::bind(options(args)?).map_err(failed)?;
    let line = format!("listening on {}\n", bound.url());
    let told = Arc::new(Mutex::new(Ok(())));
    let tell = Arc::clone(&told);
    bound
        .run(async move {
            // Whoever reads the line may send a signal at once.
            let told = told_to_end();
            let written = Output::standard().write_all(line.as_bytes());
            match (&written, told) {
                (Ok(()), Ok(told)) => {
                    told.await;
                }
                // Then the process ends as any other does.
                (Ok(()), Err(_)) => std::future::pending().await,
                (Err(_), _) => {}
            }
            *tell.lock().unwrap_or_else(PoisonError::into_inner) = written;
        })
        .map_err(failed)?;
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *told, Ok(())).map(|()| Outcome::Fine)
}

fn options(args: ServeArgs) -> Result<ServerOptions, Failure> {
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles {
        certificate,
        key,
        client_ca: args.tls_client_ca,
    });
    Ok(ServerOptions {
        listen: address(&args.listen)?,
        max_size: args.max_size,
        tokens: args.token_file,
        read_tokens: args.read_token_file,
        tls,
        read_only: args.read_only,
        max_connections: args.max_connections,
        max_requests: args.max_requests,
        patience: Duration::from_secs(args.patience.max(1)),
        keep_uploads: Duration::from_secs(args.keep_uploads),
        listener: Listener(Arc::new(|event| {
            // There is nobody left to tell when standard error cannot be written.
            let _ = writeln!(io::stderr().lock(), "dscript: {event}");
        })),
        ..ServerOptions::new(args.dir)
    })
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = |reason: &str| Failure::Usage(format!("cannot listen on `{text}`: {reason}"));
    let mut found = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("it is no address"))
}
