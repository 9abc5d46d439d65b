//! The arguments of `dscript cas`.

use clap::{Args, Subcommand};

/// Arguments of `cas`.
#[derive(Args, Debug)]
pub(in crate::cli) struct CasArgs {
    #[command(subcommand)]
    pub(super) command: CasCommand,
}

/// What is done with a store.
#[derive(Debug, Subcommand)]
pub(super) enum CasCommand {
    /// Serve contents and results of actions to other machines, by the Remote Execution API
    #[command(after_help = "Examples:\n  \
        dscript cas serve --dir /var/cache/dscript                        on loopback, for this machine only\n  \
        dscript cas serve --listen 0.0.0.0:8980 --token-file tokens --dir /var/cache/dscript --max-size 500GB\n\n\
        Prints `listening on grpc://ADDRESS:PORT` when it is ready, and serves until it is interrupted. Whoever can\n\
        be reached from other machines must ask for a token or a certificate. Nothing else may use the folder.")]
    Serve(super::serve::ServeArgs),
}
