//! Every port over TLS, and certificates that cannot be used.

use std::{net::SocketAddr, path::Path, sync::Arc};

use annals_server::Server;
use http::Method;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tonic::Code;

use crate::{
    client::{pieces, request, send_over, whole},
    exports::{Road, span, trace_id},
    grpc::{self, EXPORT, call_over, frame},
    serving::{self, Served, config},
};

/// Files with a certificate for 127.0.0.1 and its key.
struct Certificate {
    directory: tempfile::TempDir,
    pem: String,
}

impl Certificate {
    fn make() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let pem = made.cert.pem();
        std::fs::write(directory.path().join("cert.pem"), &pem).unwrap();
        let key = made.signing_key.serialize_pem();
        std::fs::write(directory.path().join("key.pem"), key).unwrap();
        Self { directory, pem }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    async fn serve(&self) -> Served {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        serving::in_memory(&[("TLS_CERT", &cert), ("TLS_KEY", &key)]).await
    }

    /// Connects as a client that trusts this certificate.
    async fn connect(&self, address: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }
}

#[tokio::test]
async fn every_port_speaks_tls() {
    let certificate = Certificate::make();
    let served = certificate.serve().await;
    let stream = certificate.connect(served.otlp, b"http/1.1").await;
    let headers = [("content-type", "application/json")];
    let body = Road::Json.encode(&[span(1, 1)]);
    let asked = request(Method::POST, "/v1/traces", &headers, whole(body));
    assert_eq!(send_over(stream, asked).await.unwrap().text(), "{}");

    let stream = certificate.connect(served.grpc, b"h2").await;
    let body = whole(frame(false, &Road::Grpc.encode(&[span(1, 2)])));
    let call = grpc::request("https", served.grpc, EXPORT, &[], body);
    assert_eq!(call_over(stream, call).await.code, Code::Ok);

    let stream = certificate.connect(served.http, b"http/1.1").await;
    let path = format!("/traces/{}", trace_id(1));
    let asked = request(Method::GET, &path, &[], whole(""));
    let found = send_over(stream, asked).await.unwrap().found();
    assert_eq!(found["spans"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn plain_http_at_a_port_of_tls_fails_and_harms_nobody() {
    let certificate = Certificate::make();
    let served = certificate.serve().await;
    for port in [served.http, served.otlp, served.grpc] {
        let stream = TcpStream::connect(port).await.unwrap();
        let asked = request(Method::GET, "/health", &[], pieces(vec![], true));
        // No answer in plain text, and an end.
        send_over(stream, asked).await.unwrap_err();
    }
    let stream = certificate.connect(served.http, b"http/1.1").await;
    let asked = request(Method::GET, "/health", &[], whole(""));
    assert_eq!(send_over(stream, asked).await.unwrap().status, 200);
}

async fn assert_unusable(cert: &Path, key: &Path, setting: &str, file: &Path) {
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let settings = [("TLS_CERT", &*cert), ("TLS_KEY", &*key)];
    let error = Server::bind(config(&settings)).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains(setting), "{message}");
    assert!(message.contains(&file.display().to_string()), "{message}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_by_its_setting() {
    let (certificate, other) = (Certificate::make(), Certificate::make());
    let [cert, key, garbage] =
        ["cert.pem", "key.pem", "garbage.pem"].map(|name| certificate.directory.path().join(name));
    std::fs::write(&garbage, "not a certificate").unwrap();
    let foreign = other.directory.path().join("key.pem");
    assert_unusable(&garbage, &key, "TLS_CERT", &garbage).await;
    assert_unusable(&key, &key, "TLS_CERT", &key).await;
    assert_unusable(&cert, &garbage, "TLS_KEY", &garbage).await;
    assert_unusable(&cert, &cert, "TLS_KEY", &cert).await;
    // A key of another certificate.
    assert_unusable(&cert, &foreign, "TLS_KEY", &foreign).await;
}

#[test]
fn a_certificate_without_its_key_and_a_file_that_is_not_there_are_refused_by_setting() {
    let certificate = Certificate::make();
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    for (settings, setting) in [
        (vec![("TLS_CERT", &*cert)], "TLS_KEY"),
        (vec![("TLS_KEY", &*key)], "TLS_CERT"),
        (
            vec![("TLS_CERT", "/nowhere/cert.pem"), ("TLS_KEY", &*key)],
            "TLS_CERT",
        ),
    ] {
        let sources = serving::sources(&settings);
        let error = annals_server::ServerConfig::from_sources(&sources).unwrap_err();
        assert!(error.to_string().contains(setting), "{error}");
    }
}
