//! How a server is named on a command line, and how it is spoken to. Several commands share these options.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cas::remote::RemoteOptions;
use crate::cli::Failure;

/// A server that may be used.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Remote")]
pub(in crate::cli) struct RemoteArgs {
    /// A server that speaks the Remote Execution API: grpc://HOST:PORT, or grpcs:// with TLS
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(in crate::cli) remote: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) connection: ConnectionArgs,
}

/// How servers are spoken to. Commands that know more than one use the same for each.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Remote")]
pub(in crate::cli) struct ConnectionArgs {
    /// The instance of the server, where it has several
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) instance: Option<String>,
    /// Send the content of this file as a bearer token
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) remote_token_file: Option<PathBuf>,
    /// Send the headers in this file, each in a line as `name: value`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) remote_header_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file [default: those of the system]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) tls_ca: Option<PathBuf>,
    /// Show this certificate to the server, a PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub(in crate::cli) tls_cert: Option<PathBuf>,
    /// The key of that certificate, a PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    pub(in crate::cli) tls_key: Option<PathBuf>,
}

impl RemoteArgs {
    /// What the client is told; none where no server is named.
    pub(in crate::cli) fn options(&self) -> Result<Option<RemoteOptions>, Failure> {
        match &self.remote {
            Some(endpoint) => Ok(Some(self.connection.options(endpoint))),
            None => match self.connection.first_given() {
                Some(option) => {
                    Err(Failure::Usage(format!("`{option}` says how a server is spoken to; name it with `--remote`")))
                }
                None => Ok(None),
            },
        }
    }
}

impl ConnectionArgs {
    /// What the client is told about a server.
    pub(in crate::cli) fn options(&self, endpoint: &str) -> RemoteOptions {
        RemoteOptions {
            instance: self.instance.clone().unwrap_or_default(),
            authority: self.tls_ca.clone(),
            identity: self.tls_cert.clone().zip(self.tls_key.clone()),
            token: self.remote_token_file.clone(),
            headers: self.remote_header_file.clone(),
            ..RemoteOptions::new(endpoint)
        }
    }

    /// An option that was given, as it is written.
    pub(in crate::cli) fn first_given(&self) -> Option<&'static str> {
        [
            (self.instance.is_some(), "--instance"),
            (self.remote_token_file.is_some(), "--remote-token-file"),
            (self.remote_header_file.is_some(), "--remote-header-file"),
            (self.tls_ca.is_some(), "--tls-ca"),
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
        ]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
    }
}
