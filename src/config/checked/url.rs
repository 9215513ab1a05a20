//! URLs that were checked, and that do not show what may be secret in them (P10).

use std::{fmt, path::PathBuf};

use reqwest::Url;

/// A URL, given or in a file. Its `Debug` shows scheme and host only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlSource {
    /// Checked: http or https, with a host, without user, password and fragment.
    Given(SecretUrl),
    /// Read when the lane starts.
    File(PathBuf),
}

/// A URL whose path and query may be a secret (P10): it prints as scheme and host.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

/// Why a text is not a usable URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL at all.
    #[error("not a URL")]
    Syntax,
    /// Neither http nor https.
    #[error("the scheme must be http or https")]
    Scheme,
    /// No host.
    #[error("the host is missing")]
    Host,
    /// User name or password inside.
    #[error("a URL with a user name or password is refused: it would end up in proxies' logs")]
    Credentials,
    /// `#…` is never sent to a server.
    #[error("a fragment (#...) is never sent to a server")]
    Fragment,
    /// Of a proxy: not http.
    #[error("a proxy is spoken to by http://, and by nothing else")]
    ProxyScheme,
    /// Of a proxy: more than host and port.
    #[error("a proxy has a host and a port, and no path")]
    ProxyPath,
}

impl SecretUrl {
    /// Parses and checks. The text is trimmed first, for it may come from a file.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let url = parse(text)?;
        if matches!(url.scheme(), "http" | "https") { Ok(Self(url)) } else { Err(BadUrl::Scheme) }
    }

    /// The whole URL, for the HTTP client only.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// The URL with one more segment at the end of its path.
    #[must_use]
    pub fn below(&self, segment: &str) -> Self {
        let mut url = self.0.clone();
        // An http URL has a path always.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(segment);
        }
        Self(url)
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

fn parse(text: &str) -> Result<Url, BadUrl> {
    let text = text.trim();
    // The parser would leave line ends out, and make one URL of two lines.
    if text.contains(char::is_control) {
        return Err(BadUrl::Syntax);
    }
    let url = Url::parse(text).map_err(|_| BadUrl::Syntax)?;
    if !url.has_host() {
        // `mailto:x` has none either, and what is wrong with it is something else.
        let spoken = matches!(url.scheme(), "http" | "https");
        return Err(if spoken { BadUrl::Host } else { BadUrl::Scheme });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Credentials);
    }
    if url.fragment().is_some() {
        return Err(BadUrl::Fragment);
    }
    Ok(url)
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str("/...")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A proxy that is spoken to by HTTP: host and port, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// Parses and checks.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let url = parse(text)?;
        if url.scheme() != "http" {
            return Err(BadUrl::ProxyScheme);
        }
        if url.path() != "/" || url.query().is_some() {
            return Err(BadUrl::ProxyPath);
        }
        Ok(Self(url))
    }

    /// `http://host:port/`; nothing in it is secret.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_for_a_receiver() {
        for (text, why) in [
            ("", BadUrl::Syntax),
            ("example.net/hook", BadUrl::Syntax),
            ("https://a/b\nhttps://c/d", BadUrl::Syntax),
            ("https://a/\u{1b}[31m", BadUrl::Syntax),
            ("ftp://a/b", BadUrl::Scheme),
            ("mailto:a@b", BadUrl::Scheme),
            ("https://", BadUrl::Syntax),
            ("https://u@a/", BadUrl::Credentials),
            ("https://:p@a/", BadUrl::Credentials),
            ("https://a/#x", BadUrl::Fragment),
        ] {
            assert_eq!(SecretUrl::parse(text), Err(why), "{text:?}");
        }
        assert!(SecretUrl::parse(" https://a/b?c \r\n").is_ok());
    }

    #[test]
    fn what_is_no_proxy() {
        for (text, why) in [
            ("proxy:3128", BadUrl::Scheme),
            ("https://proxy", BadUrl::ProxyScheme),
            ("socks5://proxy", BadUrl::ProxyScheme),
            ("http://u:p@proxy", BadUrl::Credentials),
            ("http://proxy/x", BadUrl::ProxyPath),
            ("http://proxy/?x", BadUrl::ProxyPath),
        ] {
            assert_eq!(ProxyUrl::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(ProxyUrl::parse("http://proxy:3128").unwrap().as_url().port(), Some(3128));
    }
}
