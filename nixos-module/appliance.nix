# An example: a box that watches one directory. As nixosConfigurations.appliance it is also what shows that
# the module can be cross-built.
{ lib, modulesPath, ... }:
{
  imports = [ "${modulesPath}/profiles/minimal.nix" ];

  nixpkgs.buildPlatform = "x86_64-linux";
  nixpkgs.hostPlatform = "aarch64-linux";

  boot.loader.grub.enable = false;
  boot.loader.generic-extlinux-compatible.enable = lib.mkDefault true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  networking.hostName = "box";
  system.stateVersion = "26.05";

  services.watchd = {
    enable = true;
    credentials.crm = "/etc/secrets/crm";
    inboxes.scans = { };
    settings = {
      watch.scans.path = "/srv/incoming";
      endpoint.crm = {
        url = "https://example.net/hook";
        secret_files = [ "crm" ];
      };
    };
  };
}
