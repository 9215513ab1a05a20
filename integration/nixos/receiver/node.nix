# The other machine.
{ pkgs, ... }:
{
  networking.firewall.allowedTCPPorts = [ 8080 ];
  systemd.services.receiver = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "${pkgs.lib.getExe (pkgs.callPackage ./package.nix { })} --file /var/lib/receiver/requests";
      DynamicUser = true;
      StateDirectory = "receiver";
    };
  };
}
