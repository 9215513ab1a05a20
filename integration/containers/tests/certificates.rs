//! Certificates for one proof, made when it runs.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// Somebody who signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Its certificate is in `DIR/NAME.pem`.
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(parameters, key).expect("a certificate");
        fs::write(dir.join(format!("{name}.pem")), issuer.pem()).expect("it is written");
        Self(issuer)
    }

    /// Puts `NAME.pem` and `NAME.key` into `dir`, for `host`, valid until the end of `year`.
    pub(crate) fn sign(&self, dir: &Path, name: &str, host: &str, year: i32) {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.0).expect("a certificate");
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).expect("it is written");
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).expect("it is written");
    }
}
