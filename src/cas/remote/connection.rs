//! How a server is reached: its address, TLS, what identifies the client, and the connections.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Status};

use super::{RemoteError, RemoteOptions};
use crate::cas::api::bytestream::byte_stream_client::ByteStreamClient;
use crate::cas::api::longrunning::operations_client::OperationsClient;
use crate::cas::api::reapi;
use crate::cas::api::reapi::action_cache_client::ActionCacheClient;
use crate::cas::api::reapi::capabilities_client::CapabilitiesClient;
use crate::cas::api::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
use crate::cas::api::reapi::execution_client::ExecutionClient;
use crate::cas::chain::chain;

// Messages are built to stay below 4 MiB, which every server takes. Answers may be larger by what they say beside the
// contents, but a server must not make us hold any number of bytes.
const LARGEST_MESSAGE: usize = 8 << 20;

// A single connection is one task and one lock on either side.
const CONNECTIONS: usize = 4;

// So much may be under way before the other side waits for us to have read it.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
const LARGEST_FRAME: u32 = 1 << 20;

// Many servers take pings that come more often than every five minutes for an attack.
const PING_EVERY: Duration = Duration::from_secs(330);
const PING_ANSWER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// A connection with the headers that each request gets.
pub(super) type Service = InterceptedService<Channel, Headers>;

/// The connections to a server. They are made when they are first used, and again after they broke.
#[derive(Debug)]
pub(super) struct Connection {
    channels: Vec<Channel>,
    next: AtomicUsize,
    headers: Headers,
}

impl Connection {
    /// Must be called where a runtime is entered.
    pub(super) fn new(options: &RemoteOptions) -> Result<Self, RemoteError> {
        let endpoint = endpoint(options)?;
        let headers = Headers::new(options)?;
        let count = options.concurrency.clamp(1, CONNECTIONS);
        let channels = (0..count).map(|_| endpoint.connect_lazy()).collect();
        Ok(Self { channels, next: AtomicUsize::new(0), headers })
    }

    fn service(&self) -> Service {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.channels.len();
        InterceptedService::new(self.channels[at].clone(), self.headers.clone())
    }

    pub(super) fn capabilities(&self) -> CapabilitiesClient<Service> {
        CapabilitiesClient::new(self.service())
    }

    pub(super) fn contents(&self) -> ContentAddressableStorageClient<Service> {
        ContentAddressableStorageClient::new(self.service()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub(super) fn streams(&self) -> ByteStreamClient<Service> {
        ByteStreamClient::new(self.service()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub(super) fn actions(&self) -> ActionCacheClient<Service> {
        ActionCacheClient::new(self.service()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub(super) fn execution(&self) -> ExecutionClient<Service> {
        ExecutionClient::new(self.service()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub(super) fn operations(&self) -> OperationsClient<Service> {
        OperationsClient::new(self.service())
    }
}

fn endpoint(options: &RemoteOptions) -> Result<Endpoint, RemoteError> {
    let (uri, tls) = parse(&options.endpoint)?;
    let mut endpoint = Endpoint::from(uri)
        .user_agent(concat!("dscript/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| wrong(&options.endpoint, &chain(&error)))?
        .connect_timeout(options.deadline)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(PROBE_EVERY))
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(LARGEST_FRAME);
    if tls {
        let mut config = ClientTlsConfig::new().timeout(options.deadline);
        config = match &options.authority {
            Some(path) => {
                let text = read("certificates", path)?;
                // Otherwise there would only be an error once the server shows its own, and about that one.
                if !text.contains("-----BEGIN CERTIFICATE-----") {
                    let reason = "it holds none; they begin with `-----BEGIN CERTIFICATE-----`".to_owned();
                    return Err(RemoteError::Credentials { what: "certificates", path: path.clone(), reason });
                }
                config.ca_certificate(Certificate::from_pem(text))
            }
            None => config.with_native_roots(),
        };
        if let Some((certificate, key)) = &options.identity {
            let certificate = read("client certificate", certificate)?;
            config = config.identity(Identity::from_pem(certificate, read("key", key)?));
        }
        endpoint = endpoint.tls_config(config).map_err(|error| match (&options.authority, &options.identity) {
            (_, Some((path, _))) => RemoteError::Credentials {
                what: "client certificate or its key",
                path: path.clone(),
                reason: chain(&error),
            },
            (Some(path), None) => {
                RemoteError::Credentials { what: "certificates", path: path.clone(), reason: chain(&error) }
            }
            (None, None) => wrong(&options.endpoint, &format!("TLS cannot be used here: {}", chain(&error))),
        })?;
    } else if let Some(path) = options.authority.as_ref().or(options.identity.as_ref().map(|(path, _)| path)) {
        // Whoever gives certificates means the connection to be safe.
        return Err(RemoteError::Credentials {
            what: "certificates",
            path: path.clone(),
            reason: format!("`{}` is a connection without TLS", options.endpoint),
        });
    }
    Ok(endpoint)
}

// The address as the library wants it, and whether it is spoken to by TLS.
fn parse(text: &str) -> Result<(Uri, bool), RemoteError> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(text, "it does not say how to speak to it"))?;
    let tls = match scheme {
        "grpc" | "http" => false,
        "grpcs" | "https" => true,
        _ => return Err(wrong(text, &format!("`{scheme}` is not known"))),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        return Err(wrong(text, "only a host and a port may be given"));
    }
    let uri: Uri = format!("{}://{authority}", if tls { "https" } else { "http" })
        .parse()
        .map_err(|error| wrong(text, &format!("{error}")))?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    // The library takes any text for a port, and none where it is too large.
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    match port {
        _ if !has_host => Err(wrong(text, "the host is missing")),
        Some(port) if port.parse::<u16>().is_err() => Err(wrong(text, &format!("`{port}` is not a port"))),
        _ => Ok((uri, tls)),
    }
}

fn wrong(endpoint: &str, reason: &str) -> RemoteError {
    RemoteError::Endpoint { endpoint: endpoint.to_owned(), reason: reason.to_owned() }
}

fn read(what: &'static str, path: &Path) -> Result<String, RemoteError> {
    fs::read_to_string(path).map_err(|error| RemoteError::Credentials {
        what,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// What is sent along with each request.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    all: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    // Which program it is that asks.
    tool: BinaryMetadataValue,
}

impl Headers {
    fn new(options: &RemoteOptions) -> Result<Self, RemoteError> {
        let mut all = Vec::new();
        if let Some(path) = &options.headers {
            let text = read("headers", path)?;
            for (number, line) in (1..).zip(text.lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                all.push(header(line).map_err(|reason| RemoteError::Credentials {
                    what: "headers",
                    path: path.clone(),
                    reason: format!("line {number} {reason}"),
                })?);
            }
        }
        if let Some(path) = &options.token {
            let text = read("token", path)?;
            let unusable = |reason: &str| RemoteError::Credentials {
                what: "token",
                path: path.clone(),
                reason: reason.to_owned(),
            };
            let token = text.trim();
            if token.is_empty() {
                return Err(unusable("the file is empty"));
            }
            let mut value = AsciiMetadataValue::try_from(format!("Bearer {token}"))
                .map_err(|_| unusable("it has characters that a token cannot have"))?;
            value.set_sensitive(true);
            all.push((AsciiMetadataKey::from_static("authorization"), value));
        }
        let metadata = reapi::RequestMetadata {
            tool_details: Some(reapi::ToolDetails {
                tool_name: "dscript".to_owned(),
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            ..reapi::RequestMetadata::default()
        };
        Ok(Self { all, tool: BinaryMetadataValue::from_bytes(&metadata.encode_to_vec()) })
    }
}

fn header(line: &str) -> Result<(AsciiMetadataKey, AsciiMetadataValue), String> {
    let (name, value) = line.split_once(':').ok_or("is not of the form `name: value`")?;
    let name = name.trim().to_ascii_lowercase();
    if name.starts_with("grpc-") || name.ends_with("-bin") || matches!(&*name, "te" | "content-type" | "host") {
        return Err(format!("sets `{name}`, which is not for users to set"));
    }
    let key = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| format!("has no header name in `{name}`"))?;
    let mut value = AsciiMetadataValue::try_from(value.trim()).map_err(|_| "has characters that no header can have")?;
    // Most of them are secrets.
    value.set_sensitive(true);
    Ok((key, value))
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        for (key, value) in &self.all {
            metadata.insert(key.clone(), value.clone());
        }
        metadata.insert_bin("build.bazel.remote.execution.v2.requestmetadata-bin", self.tool.clone());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, plain, tls) in [
            ("grpc://host:8980", "http://host:8980/", false),
            ("grpcs://host:8980/", "https://host:8980/", true),
            ("http://[::1]:80", "http://[::1]:80/", false),
            ("https://host", "https://host/", true),
        ] {
            let (uri, is_tls) = parse(text).unwrap();
            assert_eq!((uri.to_string().as_str(), is_tls), (plain, tls));
        }
        for text in [
            "",
            "host:80",
            "ftp://host",
            "grpc://",
            "grpc://:80",
            "grpc://host:x",
            "grpc://host:99999",
            "grpc://a/b",
            "grpc://a b",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, RemoteError::Endpoint { .. }), "{text}");
        }
    }

    #[test]
    fn headers_are_taken_apart() {
        let (name, value) = header("X-Key:  a:b ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-key", "a:b"));
        for line in ["none", "grpc-timeout: 1S", "a b: c", "data-bin: x", "key: \u{1}"] {
            assert!(header(line).is_err(), "{line}");
        }
    }
}
