# The machine of the VM tests, common/box.nix.
{
  services.watchd = {
    enable = true;
    # What this unit is, the script of a test says.
    onFailure = [ "told.service" ];
    inboxes.inbox = { };
    credentials.signing = "/etc/watchd-signing";
    settings = {
      watch.inbox.path = "/srv/inbox";
      endpoint.receiver = {
        url = "http://receiver:8080/hook";
        secret_files = [ "signing" ];
        timeout = "20s";
        retry_delays = [
          "1s"
          "2s"
        ];
        attempts = 100;
      };
      self_check.interval = "5s";
      log.level = "info,watchd=debug";
    };
  };
}
