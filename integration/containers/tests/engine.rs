//! What is asked of the Docker engine beyond what testcontainers does. Everything made carries labels, so that
//! it is found again whatever happens in between: one for all of it (`engine` sweeps by that), one for its site.

use std::{collections::HashMap, thread};

use testcontainers::bollard::{
    Docker,
    models::{
        NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, VolumeCreateRequest,
    },
    query_parameters::{
        InspectContainerOptions, KillContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};

/// On everything; `integration/containers/engine` knows it, too.
pub(crate) const LABEL: &str = "watchd.proof";
const SITE_LABEL: &str = "watchd.proof.site";

pub(crate) fn labels(site: &str) -> HashMap<String, String> {
    let label = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [(LABEL, "containers"), (SITE_LABEL, site)].map(label).into()
}

/// A network and a volume, both named like the site, and what is done to containers on them.
pub(crate) struct Engine {
    docker: Docker,
    site: String,
}

impl Engine {
    pub(crate) async fn new(site: &str) -> Self {
        let docker = connect();
        let network = NetworkCreateRequest {
            name: site.to_owned(),
            labels: Some(labels(site)),
            ..Default::default()
        };
        docker.create_network(network).await.expect("a network is created");
        let volume = VolumeCreateRequest {
            name: Some(site.to_owned()),
            labels: Some(labels(site)),
            ..Default::default()
        };
        docker.create_volume(volume).await.expect("a volume is created");
        Self { docker, site: site.to_owned() }
    }

    /// SIGKILL, now.
    pub(crate) async fn kill(&self, container: &str) {
        let none = None::<KillContainerOptions>;
        self.docker.kill_container(container, none).await.expect("the container is killed");
    }

    pub(crate) async fn disconnect(&self, container: &str) {
        let request =
            NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        self.docker.disconnect_network(&self.site, request).await.expect("it is disconnected");
    }

    pub(crate) async fn connect(&self, container: &str) {
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: None };
        self.docker.connect_network(&self.site, request).await.expect("it is connected");
    }

    /// Its address on the site's network.
    pub(crate) async fn address(&self, container: &str) -> String {
        let none = None::<InspectContainerOptions>;
        let found = self.docker.inspect_container(container, none).await.expect("it exists");
        let networks = found.network_settings.and_then(|settings| settings.networks);
        let address = networks.and_then(|mut networks| networks.remove(&self.site)?.ip_address);
        address.filter(|address| !address.is_empty()).expect("it is on the network")
    }
}

impl Drop for Engine {
    /// On a thread of its own: a test that fails drops this inside its runtime.
    fn drop(&mut self) {
        let site = self.site.clone();
        let sweeper = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(sweep(&site));
        });
        if sweeper.join().is_err() {
            eprintln!("{}: not everything was removed", self.site);
        }
    }
}

fn connect() -> Docker {
    Docker::connect_with_defaults().expect("DOCKER_HOST names an engine")
}

async fn sweep(site: &str) {
    let docker = connect();
    let filters = HashMap::from([("label", vec![format!("{SITE_LABEL}={site}")])]);
    let all = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(all)).await.expect("containers are listed");
    let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    for id in containers.into_iter().filter_map(|container| container.id) {
        // It may be on its way out already; whether it is gone, the network's removal says.
        drop(docker.remove_container(&id, Some(force.clone())).await);
    }
    docker.remove_network(site).await.expect("the network is removed");
    let none = None::<RemoveVolumeOptions>;
    docker.remove_volume(site, none).await.expect("the volume is removed");
}
