//! TLS, certificates, tokens and headers.

use std::path::{Path, PathBuf};

use dscript::cas::remote::{Remote, RemoteError, RemoteOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::server::{Server, options, write};

struct Certificates {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), authority }
    }

    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        write(self.folder.path(), name, text)
    }

    fn authority(&self) -> PathBuf {
        self.file("ca.pem", &self.authority.pem())
    }

    fn server(&self, wants_client: bool) -> Server {
        let (certificate, key) = self.issue();
        let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        if wants_client {
            tls = tls.client_ca_root(Certificate::from_pem(self.authority.pem()));
        }
        Server::start_with(Some(tls))
    }
}

fn secure(server: &Server) -> RemoteOptions {
    RemoteOptions { retries: 1, ..options(&format!("grpcs://localhost:{}", server.address.port())) }
}

#[test]
fn tls_works_with_the_right_authority_and_only_then() {
    let certificates = Certificates::new();
    let server = certificates.server(false);
    let authority = Some(certificates.authority());
    let remote = Remote::connect(RemoteOptions { authority, ..secure(&server) }).unwrap();
    let digest = server.put(b"secret");
    assert_eq!(remote.read(&digest).unwrap(), b"secret");

    let others = Certificates::new();
    let authority = Some(others.authority());
    let error = Remote::connect(RemoteOptions { authority, ..secure(&server) }).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");

    // The certificate is for another name.
    let endpoint = format!("grpcs://127.0.0.1:{}", server.address.port());
    let authority = Some(certificates.authority());
    let error = Remote::connect(RemoteOptions { authority, endpoint, ..secure(&server) }).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[test]
fn a_client_certificate_is_shown_where_one_is_wanted() {
    let certificates = Certificates::new();
    let server = certificates.server(true);
    let authority = Some(certificates.authority());
    let (certificate, key) = certificates.issue();
    let identity = Some((certificates.file("cert.pem", &certificate), certificates.file("key.pem", &key)));
    let options = RemoteOptions { authority: authority.clone(), identity, ..secure(&server) };
    let remote = Remote::connect(options).unwrap();
    let digest = server.put(b"secret");
    assert_eq!(remote.read(&digest).unwrap(), b"secret");
    let error = Remote::connect(RemoteOptions { authority, ..secure(&server) }).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. } | RemoteError::Refused { .. }), "{error}");
}

#[test]
fn tokens_and_headers_are_sent_with_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let token = write(folder.path(), "token", "abc.def\n");
    let headers = write(folder.path(), "headers", "# for the proxy\n\nX-Key: value of it \n");
    let server = Server::start();
    for (name, value, options) in [
        ("authorization", "Bearer abc.def", RemoteOptions { token: Some(token), ..server.options() }),
        ("x-key", "value of it", RemoteOptions { headers: Some(headers), ..server.options() }),
    ] {
        server.faults().header = Some((name.to_owned(), value.to_owned()));
        let error = Remote::connect(server.options()).unwrap_err();
        assert!(error.to_string().contains("it wants a token, a header or a client certificate"), "{error}");
        let remote = Remote::connect(options).unwrap();
        let digest = server.put(b"secret");
        assert_eq!(remote.read(&digest).unwrap(), b"secret");
        assert_eq!(remote.missing(&[digest]).unwrap(), []);
    }
}

#[test]
fn secrets_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let token = Some(write(folder.path(), "token", "hunter2"));
    let headers = Some(write(folder.path(), "headers", "x-key: hunter2"));
    let server = Server::start();
    let remote = Remote::connect(RemoteOptions { token, headers, ..server.options() }).unwrap();
    assert!(!format!("{remote:?}").contains("hunter2"));
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let empty = write(folder.path(), "empty", "\n");
    let words = write(folder.path(), "words", "just words");
    let base = || RemoteOptions { retries: 0, ..options("grpcs://localhost:1") };
    let broken = |options: RemoteOptions, path: &Path| {
        let error = Remote::connect(options).unwrap_err();
        assert!(matches!(&error, RemoteError::Credentials { path: named, .. } if named == path), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    };
    broken(RemoteOptions { token: Some(none.clone()), ..base() }, &none);
    broken(RemoteOptions { token: Some(empty.clone()), ..base() }, &empty);
    broken(RemoteOptions { headers: Some(none.clone()), ..base() }, &none);
    broken(RemoteOptions { headers: Some(words.clone()), ..base() }, &words);
    broken(RemoteOptions { authority: Some(none.clone()), ..base() }, &none);
    broken(RemoteOptions { authority: Some(words.clone()), ..base() }, &words);
    broken(RemoteOptions { identity: Some((none.clone(), words.clone())), ..base() }, &none);
    broken(RemoteOptions { identity: Some((words.clone(), words.clone())), ..base() }, &words);
    // Certificates for a connection that has none.
    let plain = RemoteOptions { authority: Some(words.clone()), ..options("grpc://localhost:1") };
    broken(plain, &words);
}

#[test]
fn addresses_that_make_no_sense_are_refused() {
    for endpoint in ["", "localhost:80", "ftp://localhost", "grpc://", "grpc://localhost:port", "grpc://localhost/path"]
    {
        let error = Remote::connect(RemoteOptions::new(endpoint)).unwrap_err();
        assert!(matches!(error, RemoteError::Endpoint { .. }), "{endpoint}: {error}");
        assert!(error.to_string().contains("grpc://host:port"), "{error}");
    }
}
