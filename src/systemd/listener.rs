//! A listening socket that the service manager holds: it stays open while we are restarted. So it is never
//! shut down, only closed: the manager and the next process go on with it (`sd_listen_fds(3)`).

use std::{io, os::fd::AsFd};

use listenfd::ListenFd;

use crate::front::Listener;

/// The name of our socket in its unit: `FileDescriptorName=http`.
const NAME: &str = "http";

/// Why sockets that were given cannot be used. The daemon goes on without them, and says so.
#[derive(Debug, thiserror::Error)]
pub enum NotInherited {
    /// The variables contradict each other or the table of descriptors.
    #[error("LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES make no sense: {0}")]
    Variables(io::Error),
    /// There are several, and none has our name.
    #[error(
        "none of the sockets ({0}) is named `http`; set FileDescriptorName=http in the socket unit"
    )]
    WhichOne(String),
    /// Not a socket that connections come from.
    #[error(
        "the socket `{name}` is no listening TCP or unix stream socket ({error}); use ListenStream= and Accept=no"
    )]
    Kind {
        /// As it was passed.
        name: String,
        /// What the kernel or the check said.
        error: io::Error,
    },
}

/// Takes over the socket named `http`, or the only one there is.
///
/// To be called before there is another thread: the library removes the variables from the environment.
pub fn inherit() -> Result<Option<Listener>, NotInherited> {
    // Checks that they are meant for this process, and has none of them pass on to a child.
    if sd_notify::listen_fds().map_err(NotInherited::Variables)?.len() == 0 {
        return Ok(None);
    }
    let given = sd_notify::listen_fds_with_names().map_err(NotInherited::Variables)?;
    let names: Vec<String> = given.map(|(_, name)| name).collect();
    let Some(at) = choose(&names)? else { return Ok(None) };
    let taken = take(at).and_then(|taken| taken.map(checked).transpose());
    let name = names.into_iter().nth(at).unwrap_or_default();
    taken.map_err(|error| NotInherited::Kind { name, error })
}

/// Which of these is ours.
fn choose(names: &[String]) -> Result<Option<usize>, NotInherited> {
    match names.iter().position(|name| name == NAME) {
        Some(at) => Ok(Some(at)),
        None if names.len() > 1 => Err(NotInherited::WhichOne(names.join(", "))),
        None => Ok((names.len() == 1).then_some(0)),
    }
}

fn take(at: usize) -> io::Result<Option<Listener>> {
    let mut given = ListenFd::from_env();
    match given.take_unix_listener(at) {
        Ok(taken) => Ok(taken.map(Listener::Unix)),
        Err(_) => Ok(given.take_tcp_listener(at)?.map(Listener::Tcp)),
    }
}

/// The library looks at family and type. With Accept=yes it would be a connection.
fn checked(taken: Listener) -> io::Result<Listener> {
    let fd = match &taken {
        Listener::Tcp(socket) => socket.as_fd(),
        Listener::Unix(socket) => socket.as_fd(),
    };
    if !rustix::net::sockopt::socket_acceptconn(fd)? {
        return Err(io::Error::other("it does not listen"));
    }
    rustix::io::ioctl_fionbio(fd, true)?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_one_of_our_name_or_the_only_one_is_taken() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(choose(&[]).unwrap(), None);
        for (given, at) in [("unknown", 0), ("watchd.socket", 0), ("http", 0), ("a http b", 1)] {
            assert_eq!(choose(&names(given)).unwrap(), Some(at), "{given}");
        }
        let error = choose(&names("a b")).unwrap_err().to_string();
        assert!(error.contains("a, b") && error.contains("FileDescriptorName=http"), "{error}");
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        assert!(checked(Listener::Tcp(listening)).is_ok());
        let pretended = TcpListener::from(std::os::fd::OwnedFd::from(connected));
        assert!(checked(Listener::Tcp(pretended)).is_err());
    }
}
