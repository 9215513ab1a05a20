# The least that makes sense.
{
  services.watchd = {
    enable = true;
    settings.watch.scans.path = "/srv/incoming";
    settings.endpoint.crm.url = "https://example.net/hook";
  };
}
