# A configuration that is accepted; the cases of refused.nix spoil it.
{ lib, ... }:
{
  services.watchd = {
    enable = true;
    settings.watch.scans.path = lib.mkDefault "/srv/incoming";
    settings.endpoint.crm.url = lib.mkDefault "https://example.net/hook";
  };
}
