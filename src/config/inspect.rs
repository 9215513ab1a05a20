//! Looks at the files and directories that a configuration names. For `watchd check` only: the daemon
//! starts without them and keeps trying, so nothing here may keep it from starting.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{
    Reading,
    checked::{Config, IdentityFiles, SecretUrl, UrlSource, header_value},
    cross::dotted,
    layers::KeyPath,
    problem::{Problem, Wrong},
};
use crate::{
    http::{self, BadFile},
    secret::SigningSecret,
};

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
            let wrong = identity(files);
            found.extend(wrong.map(|(leaf, w)| (key(&["endpoint", name, leaf]), w)));
        }
        if let Some(file) = &endpoint.ca_file {
            let wrong = http::check_roots(file).err().map(certificate);
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
    let found = fs::metadata(path).map_err(|error| denied(path, "examined", error.kind()))?;
    if !found.is_dir() {
        return Err(Wrong::NotDirectory { path: path.to_owned() });
    }
    // To read the names, and to enter it for the files' sizes and times.
    access(path, Access::READ_OK | Access::EXEC_OK).map_err(|e| denied(path, "read", e.kind()))
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

/// What is wrong with a client certificate and its key, and which of the two to blame.
fn identity(files: &IdentityFiles) -> Option<(&'static str, Wrong)> {
    let bad = http::check_identity(&files.cert, &files.key).err()?;
    let is_of_cert = match &bad {
        BadFile::NoCertificate { .. } => true,
        BadFile::NoKey { .. } | BadFile::OtherKey { .. } => false,
        BadFile::Unreadable { path, .. } => *path == files.cert,
    };
    let leaf = if is_of_cert { "client_cert_file" } else { "client_key_file" };
    Some((leaf, certificate(bad)))
}

fn certificate(bad: BadFile) -> Wrong {
    match bad {
        BadFile::Unreadable { path, why } => denied(&path, "read", why),
        BadFile::NoCertificate { path } => Wrong::NoCertificate { path },
        BadFile::NoKey { path } => Wrong::NoKey { path },
        BadFile::OtherKey { path, .. } => Wrong::OtherKey { path },
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
    let found =
        fs::metadata(&nearest).map_err(|error| denied(&nearest, "examined", error.kind()))?;
    if !found.is_dir() {
        return Err(Wrong::NotDirectory { path: nearest });
    }
    access(&nearest, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| denied(&nearest, "written", error.kind()))
}

fn text_of(path: &Path) -> Result<String, Wrong> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text))
        .map_err(|error| denied(path, "read", error.kind()))?;
    // What is not text is no secret, no URL and no certificate either: say that, not how it is coded.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn denied(path: &Path, action: &'static str, kind: io::ErrorKind) -> Wrong {
    match kind {
        io::ErrorKind::NotFound => Wrong::Absent { path: path.to_owned() },
        kind => Wrong::Denied { path: path.to_owned(), action, kind },
    }
}
