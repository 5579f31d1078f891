//! How the connection is protected, as libpq's `sslmode` says it.

use std::sync::Arc;

use reproof_config::SslMode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Login;
use crate::SqlError;

/// What makes connections that are encrypted; none where none is to be.
pub(super) fn connector(login: &Login) -> Result<Option<MakeRustlsConnect>, SqlError> {
    let mode = login.address.ssl_mode;
    if mode == SslMode::Disable || login.is_local() {
        return Ok(None);
    }
    let provider = Arc::new(ring::default_provider());
    let judge = match mode {
        SslMode::VerifyCa | SslMode::VerifyFull => {
            let roots = Arc::new(roots(login)?);
            let trusted = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
            let trusted = trusted.build().map_err(|error| {
                SqlError::query(format!("the certificates of authorities: {error}"))
            })?;
            Judge::Trusted {
                trusted,
                any_name: mode == SslMode::VerifyCa,
            }
        }
        _ => Judge::Anybody(provider.clone()),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SqlError::query(format!("TLS: {error}")))?;
    let config = config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// The authorities that are trusted: those of the file, or else of the machine.
fn roots(login: &Login) -> Result<RootCertStore, SqlError> {
    let mut roots = RootCertStore::empty();
    if let Some((path, bytes)) = &login.roots {
        let wrong = |what: String| SqlError::query(format!("{}: {what}", path.display()));
        for certificate in CertificateDer::pem_slice_iter(bytes) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("no certificate in PEM is in it".to_owned()));
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(SqlError::hinted(
            "this machine trusts no authority for certificates",
            "install its certificates (ca-certificates), or name a file: sslrootcert=certs/ca.pem",
        ));
    }
    Ok(roots)
}

/// Judges the certificate of a server.
#[derive(Debug)]
enum Judge {
    /// Takes any.
    Anybody(Arc<CryptoProvider>),
    /// Takes one that an authority signed.
    Trusted {
        trusted: Arc<WebPkiServerVerifier>,
        /// Even if it is for another host.
        any_name: bool,
    },
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Self::Trusted { trusted, any_name } = self else {
            return Ok(ServerCertVerified::assertion());
        };
        match trusted.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if *any_name => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Anybody(provider) => verify_tls12_signature(
                message,
                certificate,
                signature,
                &provider.signature_verification_algorithms,
            ),
            Self::Trusted { trusted, .. } => {
                trusted.verify_tls12_signature(message, certificate, signature)
            }
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Anybody(provider) => verify_tls13_signature(
                message,
                certificate,
                signature,
                &provider.signature_verification_algorithms,
            ),
            Self::Trusted { trusted, .. } => {
                trusted.verify_tls13_signature(message, certificate, signature)
            }
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Anybody(provider) => provider
                .signature_verification_algorithms
                .supported_schemes(),
            Self::Trusted { trusted, .. } => trusted.supported_verify_schemes(),
        }
    }
}
