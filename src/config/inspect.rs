//! Looks at the files and directories that a configuration names. For `watchd check` only: the daemon
//! starts without them and keeps trying, so nothing here may keep it from starting.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{Access, access};
use rustls::{
    InconsistentKeys,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};

use super::{
    Reading,
    checked::{Config, IdentityFiles, SecretUrl, UrlSource, header_value},
    cross::dotted,
    layers::KeyPath,
    problem::{Problem, Wrong},
};
use crate::secret::SigningSecret;

/// No secret, URL or list of certificates is larger.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Adds what is found to the problems.
pub(super) fn files(reading: &mut Reading) {
    let Some(config) = &reading.config else { return };
    for (path, wrong) in findings(config) {
        let place = reading.context.place(&path);
        reading.problems.push(Problem::new(&dotted(&path), wrong, place));
    }
}

fn findings(config: &Config) -> Vec<(KeyPath, Wrong)> {
    let key = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<KeyPath>();
    let mut found = Vec::new();
    for watch in &config.watches {
        let name = watch.name.as_str();
        found.extend(root(&watch.path).err().map(|w| (key(&["watch", name, "path"]), w)));
    }
    for endpoint in &config.endpoints {
        let name = endpoint.name.as_str();
        for (at, file) in endpoint.secret_files.iter().enumerate() {
            let wrong = secret(file).err();
            let at = at.to_string();
            found.extend(wrong.map(|w| (key(&["endpoint", name, "secret_files", &at]), w)));
        }
        if let UrlSource::File(file) = &endpoint.url {
            found.extend(url(file).err().map(|w| (key(&["endpoint", name, "url_file"]), w)));
        }
        for (header, file) in &endpoint.header_files {
            let wrong = header_file(file).err();
            let header = header.as_str();
            found.extend(wrong.map(|w| (key(&["endpoint", name, "header_files", header]), w)));
        }
        if let Some(files) = &endpoint.identity {
            let (leaf, wrong) = identity(files);
            found.extend(wrong.map(|w| (key(&["endpoint", name, leaf]), w)));
        }
        if let Some(file) = &endpoint.ca_file {
            let wrong = certificates(file).err();
            found.extend(wrong.map(|w| (key(&["endpoint", name, "ca_file"]), w)));
        }
    }
    if let Some(UrlSource::File(file)) = config.heartbeat.as_ref().map(|heartbeat| &heartbeat.url) {
        found.extend(url(file).err().map(|w| (key(&["heartbeat", "url_file"]), w)));
    }
    found.extend(state_dir(&config.state.dir).err().map(|w| (key(&["state", "dir"]), w)));
    found
}

fn root(path: &Path) -> Result<(), Wrong> {
    let found = fs::metadata(path).map_err(|error| denied(path, "examined", &error))?;
    if !found.is_dir() {
        return Err(Wrong::NotDirectory { path: path.to_owned() });
    }
    // To read the names, and to enter it for the files' sizes and times.
    access(path, Access::READ_OK | Access::EXEC_OK).map_err(|e| denied(path, "read", &e.into()))
}

fn secret(path: &Path) -> Result<(), Wrong> {
    let text = text_of(path)?;
    let bad = SigningSecret::parse(&text).err();
    bad.map_or(Ok(()), |bad| Err(Wrong::Secret { path: path.to_owned(), bad }))
}

fn url(path: &Path) -> Result<(), Wrong> {
    let text = text_of(path)?;
    let bad = SecretUrl::parse(&text).err();
    bad.map_or(Ok(()), |bad| Err(Wrong::UrlFile { path: path.to_owned(), bad }))
}

fn header_file(path: &Path) -> Result<(), Wrong> {
    let bad = header_value(&text_of(path)?).err();
    bad.map_or(Ok(()), |bad| Err(Wrong::HeaderFile { path: path.to_owned(), bad }))
}

/// What is wrong with a client certificate and its key, and which of the two keys to blame.
fn identity(files: &IdentityFiles) -> (&'static str, Option<Wrong>) {
    let (cert, key) = ("client_cert_file", "client_key_file");
    let chain = match chain(&files.cert) {
        Ok(chain) => chain,
        Err(wrong) => return (cert, Some(wrong)),
    };
    let signing = match signing_key(&files.key) {
        Ok(signing) => signing,
        Err(wrong) => return (key, Some(wrong)),
    };
    match CertifiedKey::new(chain, signing).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => (key, None),
        Err(rustls::Error::InconsistentKeys(_)) => {
            (key, Some(Wrong::OtherKey { path: files.key.clone() }))
        }
        Err(_) => (cert, Some(Wrong::NoCertificate { path: files.cert.clone() })),
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let none = || Wrong::NoCertificate { path: path.to_owned() };
    let text = text_of(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(none)
}

fn signing_key(path: &Path) -> Result<Arc<dyn SigningKey>, Wrong> {
    let none = || Wrong::NoKey { path: path.to_owned() };
    let key = PrivateKeyDer::from_pem_slice(text_of(path)?.as_bytes()).map_err(|_| none())?;
    any_supported_type(&key).map_err(|_| none())
}

fn certificates(path: &Path) -> Result<(), Wrong> {
    if text_of(path)?.contains("-----BEGIN CERTIFICATE-----") {
        Ok(())
    } else {
        Err(Wrong::NoCertificate { path: path.to_owned() })
    }
}

/// Whether the directory can be written, or made: nothing is made here.
fn state_dir(path: &Path) -> Result<(), Wrong> {
    let mut nearest: PathBuf = path.to_owned();
    while matches!(fs::symlink_metadata(&nearest), Err(e) if e.kind() == io::ErrorKind::NotFound) {
        if !nearest.pop() {
            break;
        }
    }
    let found = fs::metadata(&nearest).map_err(|error| denied(&nearest, "examined", &error))?;
    if !found.is_dir() {
        return Err(Wrong::NotDirectory { path: nearest });
    }
    access(&nearest, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| denied(&nearest, "written", &error.into()))
}

fn text_of(path: &Path) -> Result<String, Wrong> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text))
        .map_err(|error| denied(path, "read", &error))?;
    // What is not text is no secret, no URL and no certificate either: say that, not how it is coded.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn denied(path: &Path, action: &'static str, error: &io::Error) -> Wrong {
    match error.kind() {
        io::ErrorKind::NotFound => Wrong::Absent { path: path.to_owned() },
        kind => Wrong::Denied { path: path.to_owned(), action, kind },
    }
}
