# Configurations that must not be built, or not without a warning. `expected` is a part of the sentence that somebody gets; it names
# the option and the way out. Each case spoils good.nix in one way and gets one sentence.
{ lib }:
let
  settings = expected: settings: {
    inherit expected;
    configuration.services.watchd = {
      inherit settings;
    };
  };
  module = expected: watchd: {
    inherit expected;
    configuration.services.watchd = watchd;
  };
in
{
  no_watch = {
    expected = "services.watchd.settings.watch is empty: there is nothing to watch. Set services.watchd.settings.watch.scans.path";
    configuration.services.watchd.settings.watch = lib.mkForce { };
  };
  no_endpoint = {
    expected = "services.watchd.settings.endpoint is empty: there is nobody to tell. Set services.watchd.settings.endpoint.crm.url";
    configuration.services.watchd.settings.endpoint = lib.mkForce { };
  };
  name_of_a_watch = settings "services.watchd.settings.watch: \"Scans\" is no name for a watch. Use lower-case" {
    watch.Scans.path = "/srv/other";
  };
  name_of_an_endpoint = settings "services.watchd.settings.endpoint: \"c_r_m\" is no name for an endpoint. Use lower-case" {
    watch.scans.endpoints = [ "crm" ];
    endpoint.c_r_m.url = "https://example.net/hook";
  };
  relative_root = settings "services.watchd.settings.watch.scans.path: \"incoming\" is not absolute. Write the path from /" {
    watch.scans.path = "incoming";
  };
  dots_in_a_root = settings "services.watchd.settings.watch.scans.path: \"/srv/../etc\" is not absolute. Write the path from /" {
    watch.scans.path = "/srv/../etc";
  };
  root_in_tmp = settings "services.watchd.settings.watch.scans.path: /tmp/in cannot be watched: the service has a /tmp of its own. Use a directory" {
    watch.scans.path = "/tmp/in";
  };
  root_in_var_tmp = settings "/var//tmp/in cannot be watched: the service has a /var/tmp of its own" {
    watch.scans.path = "/var//tmp/in";
  };
  root_in_proc = settings "/proc/self cannot be watched: nothing lands there" {
    watch.scans.path = "/proc/self";
  };
  root_in_the_store = settings "/nix/store/x cannot be watched: it is read-only" {
    watch.scans.path = "/nix/store/x";
  };
  root_is_everything = settings "/ cannot be watched: it holds directories of the system" {
    watch.scans.path = "/";
  };
  root_is_our_state = settings "/var/lib/watchd/ cannot be watched: it is watchd's own" {
    watch.scans.path = "/var/lib/watchd/";
  };
  nested_roots = settings "services.watchd.settings.watch.deep.path and services.watchd.settings.watch.scans.path are one inside the other: a file would have two names. Choose" {
    watch.deep.path = "/srv/incoming/deep";
  };
  same_root_twice = settings "services.watchd.settings.watch.scans.path and services.watchd.settings.watch.twin.path are one inside" {
    watch.twin.path = "/srv/./incoming/";
  };
  undefined_endpoint = settings "services.watchd.settings.watch.scans.endpoints: there is no endpoint crn. Define services.watchd.settings.endpoint.crn, or name one of: crm" {
    watch.scans.endpoints = [ "crn" ];
  };
  which_endpoint = settings "services.watchd.settings.watch.scans.endpoints: there are several endpoints (crm, second). Say which" {
    endpoint.second.url = "https://example.net/second";
  };
  writers_without_the_right = {
    expected = "services.watchd.settings.watch.scans.writer_detection is \"auto\", but services.watchd.writerDetection is off, and the service has no right to ask. Turn that on";
    configuration.services.watchd = {
      writerDetection = false;
      settings.watch.scans.writer_detection = "auto";
    };
  };
  no_url = settings "services.watchd.settings.endpoint.crm has no URL. Set services.watchd.settings.endpoint.crm.url, or" {
    endpoint.crm.url = lib.mkForce null;
  };
  two_urls = {
    expected = "services.watchd.settings.endpoint.crm has both url and url_file. Keep one";
    configuration.services.watchd = {
      credentials.url = "/run/secrets/url";
      settings.endpoint.crm.url_file = "url";
    };
  };
  not_a_url = settings "services.watchd.settings.endpoint.crm.url is no address: it has to begin with http:// or https://" {
    endpoint.crm.url = "example.net/hook";
  };
  password_in_a_url = settings "services.watchd.settings.endpoint.crm.url holds a user or password, which everybody on this machine could read. Use services.watchd.settings.endpoint.crm.header_files" {
    endpoint.crm.url = "https://bob:hunter2@example.net/hook";
  };
  secret_header = settings "services.watchd.settings.endpoint.crm.headers: Authorization is a secret, and everybody on this machine could read it. Put the value into a file" {
    endpoint.crm.headers.Authorization = "Bearer x";
  };
  secret_in_settings = settings "services.watchd.settings.endpoint.crm.secret holds a signing secret, which everybody on this machine could read. Put it into a file" {
    endpoint.crm.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  };
  credential_that_does_not_exist = settings "services.watchd.settings.endpoint.crm.secret_files names the credential \"crm\", which does not exist. Set services.watchd.credentials.crm" {
    endpoint.crm.secret_files = [ "crm" ];
  };
  secret_file_in_the_store = settings "services.watchd.settings.endpoint.crm.secret_files is in the Nix store, where everybody can read it. Keep the file outside" {
    endpoint.crm.secret_files = [ "/nix/store/x-secret" ];
  };
  secret_file_that_only_root_reads = settings "services.watchd.settings.endpoint.crm.secret_files is a path. watchd has a user of its own and can read only what everybody can; name the file in services.watchd.credentials" {
    endpoint.crm.secret_files = [ "/etc/watchd/secret" ];
  };
  credential_in_the_store = module "services.watchd.credentials.crm is in the Nix store, where everybody can read it. Give the path as text" {
    credentials.crm = "/nix/store/x-secret";
  };
  state_elsewhere = settings "services.watchd.settings.state.dir cannot be set: the service may write nowhere but in /var/lib/watchd. Leave it out" {
    state.dir = "/data/watchd";
  };
  control_socket_elsewhere = settings "services.watchd.settings.control.socket cannot be set: the service's own directory is /run/watchd. Leave it out" {
    control.socket = "/run/x.sock";
  };
  two_listeners = settings "services.watchd.settings.http.listen is set, but the socket unit's addresses go first. Put the address into services.watchd.listen" {
    http.listen = "127.0.0.1:8080";
  };
  listener_where_it_cannot_write = {
    expected = "services.watchd.settings.http.listen: the service may make no socket at /run/watchd-http.sock. Use unix:/run/watchd/http.sock, or put the path into services.watchd.listen";
    configuration.services.watchd = {
      listen = [ ];
      settings.http.listen = "unix:/run/watchd-http.sock";
    };
  };
  binary_change = settings "services.watchd.settings.restart.on_binary_change: a program in the Nix store never changes; a new one is a new unit. Leave it out" {
    restart.on_binary_change = true;
  };
  undefined_operations = settings "services.watchd.settings.operations.endpoint: there is no endpoint ops. Define services.watchd.settings.endpoint.ops" {
    operations.endpoint = "ops";
  };
  open_to_everybody = module "services.watchd.listen: 0.0.0.0:9464, 9465 is every address of this machine. Set services.watchd.openFirewall to true, to false" {
    listen = [
      "0.0.0.0:9464"
      "9465"
    ];
  };
  address_without_a_port = module "services.watchd.listen: \"127.0.0.1\" is no address with a port, and no path. Write" {
    listen = [ "127.0.0.1" ];
  };
  inbox_without_a_watch = module "services.watchd.inboxes.scan: there is no watch of that name. Define services.watchd.settings.watch.scan.path" {
    inboxes.scan = { };
  };
  a_static_user = {
    expected = "users.users.watchd or users.groups.watchd is defined: services.watchd runs as a dynamic user of that name, which could not be made. Give";
    configuration.users.users.watchd = { };
  };
}
