//! Who may do what.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dscript::cas::Digest;
use dscript::cas::api::reapi;
use dscript::cas::server::{Server, ServerError, ServerOptions, TlsFiles};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};

use super::scene::{Client, Scene, block, pieces};

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

// What each service answers to a client with this token: reading, then writing.
async fn codes(client: &mut Client, token: &str) -> (Vec<Code>, Vec<Code>) {
    fn code<T>(answer: Result<T, tonic::Status>) -> Code {
        answer.err().map_or(Code::Ok, |error| error.code())
    }
    let digest = Digest::of(b"text");
    let reads = vec![
        code(client.capabilities.get_capabilities(with_token(reapi::GetCapabilitiesRequest::default(), token)).await),
        code(client.cas.find_missing_blobs(with_token(reapi::FindMissingBlobsRequest::default(), token)).await),
        code(client.cas.batch_read_blobs(with_token(reapi::BatchReadBlobsRequest::default(), token)).await),
        code(
            client
                .streams
                .query_write_status(with_token(
                    dscript::cas::api::bytestream::QueryWriteStatusRequest {
                        resource_name: format!("uploads/u/blobs/{digest}"),
                    },
                    token,
                ))
                .await,
        ),
    ];
    let messages = tokio_stream::iter(pieces(&format!("uploads/u/blobs/{digest}"), b"text", 0, 4));
    let update = reapi::UpdateActionResultRequest {
        action_digest: Some(digest.into()),
        action_result: Some(reapi::ActionResult::default()),
        ..Default::default()
    };
    let writes = vec![
        code(client.cas.batch_update_blobs(with_token(reapi::BatchUpdateBlobsRequest::default(), token)).await),
        code(client.streams.write(with_token(messages, token)).await),
        code(client.actions.update_action_result(with_token(update, token)).await),
    ];
    (reads, writes)
}

fn all(codes: &[Code], code: Code) -> bool {
    codes.iter().all(|one| *one == code)
}

#[test]
fn tokens_decide_who_reads_and_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (full, read) = (folder.path().join("full"), folder.path().join("read"));
    std::fs::write(&full, "secret\n").unwrap();
    std::fs::write(&read, "looker\n").unwrap();
    let scene = Scene::with(|options| {
        options.tokens = Some(full.clone());
        options.read_tokens = Some(read.clone());
    });
    block(async {
        let mut client = scene.client().await;
        for wrong in ["", "secre", "secrets", "Secret"] {
            let (reads, writes) = codes(&mut client, wrong).await;
            assert!(all(&reads, Code::Unauthenticated) && all(&writes, Code::Unauthenticated), "{wrong}");
        }
        let (reads, writes) = codes(&mut client, "looker").await;
        assert!(all(&reads, Code::Ok) && all(&writes, Code::PermissionDenied), "{reads:?} {writes:?}");
        let said = client.capabilities.get_capabilities(with_token(reapi::GetCapabilitiesRequest::default(), "looker"));
        let cache = said.await.unwrap().into_inner().cache_capabilities.unwrap();
        assert!(!cache.action_cache_update_capabilities.unwrap().update_enabled);
        let (reads, writes) = codes(&mut client, "secret").await;
        assert!(all(&reads, Code::Ok) && all(&writes, Code::Ok), "{reads:?} {writes:?}");
    });
}

#[test]
fn clients_without_a_token_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    let scene = Scene::with(|options| {
        options.tokens = Some(token);
        options.max_connections = 4;
        options.patience = Duration::from_secs(4);
    });
    block(async {
        let url = scene.url();
        let others: Vec<_> = (0..6)
            .map(|_| {
                let url = url.clone();
                // As long as they are let, they ask, and keep their connections.
                tokio::spawn(async move {
                    let mut client = Client::connect(&url).await;
                    loop {
                        let request = with_token(reapi::GetCapabilitiesRequest::default(), "wrong");
                        assert!(client.capabilities.get_capabilities(request).await.is_err());
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // A client may have to come twice, where it takes long for its first word.
        let served = async {
            loop {
                let mut client = Client::connect(&url).await;
                let request = with_token(reapi::GetCapabilitiesRequest::default(), "secret");
                if client.capabilities.get_capabilities(request).await.is_ok() {
                    return;
                }
            }
        };
        served.await;
        for other in others {
            other.abort();
            assert!(other.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_connection_without_a_request_ends_and_one_with_a_client_stays() {
    let scene = Scene::with(|options| {
        options.max_connections = 1;
        options.patience = Duration::from_secs(1);
    });
    let address = scene.running.as_ref().unwrap().address();
    // The last one is all that HTTP/2 wants to begin with.
    for word in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(word).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        }
    }
    block(async {
        let mut first = scene.client().await;
        first.put(b"text").await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let url = scene.url();
        let mut second = tokio::spawn(async move {
            let mut client = Client::connect(&url).await;
            client.has(&Digest::of(b"text")).await
        });
        let early = tokio::time::timeout(Duration::from_millis(1500), &mut second).await;
        assert!(early.is_err(), "it was let in");
        assert!(first.has(&Digest::of(b"text")).await);
        drop(first);
        assert!(second.await.unwrap());
    });
}

#[test]
fn a_server_may_be_read_only() {
    let scene = Scene::with(|options| options.read_only = true);
    block(async {
        let mut client = scene.client().await;
        let (reads, writes) = codes(&mut client, "").await;
        assert!(all(&reads, Code::Ok) && all(&writes, Code::PermissionDenied), "{reads:?} {writes:?}");
        assert!(!client.has(&Digest::of(b"text")).await);
    });
}

#[test]
fn other_machines_must_say_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    let mut options = ServerOptions::new(folder.path().join("store"));
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        options.listen = address.parse::<SocketAddr>().unwrap();
        let refused = Server::bind(options.clone()).unwrap_err();
        assert!(matches!(refused, ServerError::Anonymous { .. }), "{refused}");
    }
    assert!(!folder.path().join("store").exists(), "nothing was made");
    // TLS alone says nothing of the client.
    let certificates = Certificates::new(folder.path());
    options.listen = "0.0.0.0:0".parse().unwrap();
    options.tls = Some(TlsFiles { client_ca: None, ..certificates.server() });
    assert!(matches!(Server::bind(options.clone()), Err(ServerError::Anonymous { .. })));
    options.tls = None;
    options.tokens = Some(token);
    Server::bind(options).unwrap().start().unwrap().stop().unwrap();
}

#[test]
fn files_that_are_no_good_are_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::new(folder.path());
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "not PEM").unwrap();
    let absent = folder.path().join("absent");
    let mut options = ServerOptions::new(folder.path().join("store"));
    for files in [
        TlsFiles { certificate: garbage.clone(), ..certificates.server() },
        TlsFiles { key: garbage.clone(), ..certificates.server() },
        TlsFiles { key: absent.clone(), ..certificates.server() },
        TlsFiles { client_ca: Some(garbage), ..certificates.server() },
    ] {
        options.tls = Some(files.clone());
        let refused = Server::bind(options.clone());
        assert!(matches!(refused, Err(ServerError::Tls(_) | ServerError::File { .. })), "{files:?}: {refused:?}");
    }
}

/// An authority, and what it has signed.
struct Certificates {
    folder: PathBuf,
    authority: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Certificates {
    fn new(folder: &Path) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        Self { folder: folder.to_owned(), authority }
    }

    fn sign(&self, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    fn server(&self) -> TlsFiles {
        let (certificate, key) = self.sign("localhost");
        let files = TlsFiles {
            certificate: self.folder.join("server.pem"),
            key: self.folder.join("server.key"),
            client_ca: Some(self.folder.join("ca.pem")),
        };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        std::fs::write(files.client_ca.as_ref().unwrap(), self.authority.pem()).unwrap();
        files
    }

    async fn connect(&self, port: u16, identity: Option<(String, String)>) -> Result<Client, tonic::transport::Error> {
        let mut config =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.authority.pem())).domain_name("localhost");
        if let Some((certificate, key)) = identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap().tls_config(config)?;
        endpoint.connect().await.map(Client::on)
    }
}

#[test]
fn certificates_of_clients_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (certificates, others) = (Certificates::new(folder.path()), Certificates::new(folder.path()));
    let tls = certificates.server();
    // With a certificate to show, it may be on a network.
    let scene = Scene::with(|options| {
        options.tls = Some(tls);
        options.listen = "0.0.0.0:0".parse().unwrap();
    });
    assert!(scene.url().starts_with("grpcs://"));
    let port = scene.running.as_ref().unwrap().address().port();
    block(async {
        let mut client = certificates.connect(port, Some(certificates.sign("client"))).await.unwrap();
        let digest = client.put(b"text").await;
        assert_eq!(client.get(&digest).await.unwrap(), b"text");
        for identity in [None, Some(others.sign("client"))] {
            // In TLS 1.3 a client may learn only with its first request that it is not wanted.
            if let Ok(mut client) = certificates.connect(port, identity).await {
                let request = reapi::GetCapabilitiesRequest::default();
                assert!(client.capabilities.get_capabilities(request).await.is_err());
            }
        }
        // Without TLS there is nobody to talk to.
        let plain = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await;
        if let Ok(channel) = plain {
            let request = reapi::GetCapabilitiesRequest::default();
            assert!(Client::on(channel).capabilities.get_capabilities(request).await.is_err());
        }
    });
}
