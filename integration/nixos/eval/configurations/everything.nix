# Every option of the module, and a key of every table of the settings.
{
  services.watchd = {
    enable = true;
    listen = [
      "0.0.0.0:9464"
      "[::]:9464"
      "/run/watchd-http.sock"
    ];
    openFirewall = true;
    onFailure = [ "notify-admin@%n.service" ];
    supplementaryGroups = [ "scanner" ];
    directoriesMax = 100000;
    inboxes.scans.user = "scanner";
    inboxes.mail = { };
    credentials = {
      crm = "/run/secrets/watchd-crm";
      crm-old = "/run/secrets/watchd-crm-old";
      archive-url = "/run/secrets/watchd-archive-url";
      archive-token = "/run/secrets/watchd-archive-token";
      heartbeat = "/run/secrets/watchd-heartbeat";
    };
    settings = {
      watch.scans = {
        path = "/srv/incoming";
        endpoints = [
          "crm"
          "archive"
        ];
        include = [ "*.pdf" ];
        exclude = [ "test-*" ];
        quiet = "5s";
        done_marker = "{name}.done";
      };
      watch.mail = {
        path = "/srv/mail drop";
        endpoints = [ "archive" ];
        initial = "baseline";
        require_mount = true;
        rescan_interval = "1h";
      };
      endpoint.crm = {
        url = "https://example.net/hook";
        secret_files = [
          "crm"
          "crm-old"
        ];
        headers.x-site = "box7";
        ca_file = "/etc/ssl/certs/ca-certificates.crt";
        concurrency = 8;
        attempts = 30;
      };
      endpoint.archive = {
        url_file = "archive-url";
        header_files.authorization = "archive-token";
        format = "cloudevents";
        rate_limit = "50/s";
      };
      state.outbox_max_size = "64MiB";
      shutdown.drain = "20s";
      self_check.interval = "30s";
      restart.max_age = "12h";
      heartbeat.url_file = "heartbeat";
      heartbeat.interval = "5m";
      operations.endpoint = "archive";
      log.level = "info,watchd::watch=debug";
      log.format = "journal";
    };
  };
}
