//! `[endpoint.*]`: the keys that say how a receiver is reached, and which addresses are allowed.

use ipnet::IpNet;

use super::Crossing;
use crate::config::{
    checked::{IdentityFiles, ProxyUrl},
    file,
    problem::Wrong,
};

impl Crossing<'_> {
    pub(super) fn proxy(&mut self, name: &str, typed: &str) -> Option<ProxyUrl> {
        if typed == "none" {
            return None;
        }
        ProxyUrl::parse(typed)
            .map_err(|bad| self.object(&["endpoint", name, "proxy"], Wrong::Proxy(bad)))
            .ok()
    }

    /// A certificate without its key proves nothing, and a key alone says nothing.
    pub(super) fn identity(&mut self, name: &str, typed: &file::Endpoint) -> Option<IdentityFiles> {
        let (cert_key, key_key) = ("client_cert_file", "client_key_file");
        let mut file = |key, typed: &str| {
            let is_set = typed != "none";
            (is_set, is_set.then(|| self.file(&["endpoint", name, key], typed)).flatten())
        };
        let (has_cert, cert) = file(cert_key, &typed.client_cert_file);
        let (has_key, key) = file(key_key, &typed.client_key_file);
        if has_cert != has_key {
            let (given, missing) = if has_cert { (cert_key, key_key) } else { (key_key, cert_key) };
            self.object(&["endpoint", name, given], Wrong::HalfIdentity { missing });
        }
        Some(IdentityFiles { cert: cert?, key: key? })
    }

    pub(super) fn allow(&mut self, name: &str, typed: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (at, text) in typed.iter().enumerate() {
            let element = self.element(&["endpoint", name, "allow"], at);
            match text.parse::<IpNet>() {
                Ok(network) if network.trunc() == network => networks.push(network),
                // Whoever writes 10.1.2.3/8 meant one address, or another network.
                Ok(network) => {
                    let wrong = Wrong::NetworkBits { network: network.trunc() };
                    self.object(&["endpoint", name, "allow", &element], wrong);
                }
                Err(_) => self.object(&["endpoint", name, "allow", &element], Wrong::Network),
            }
        }
        networks
    }
}
