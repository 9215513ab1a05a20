# The machine under test. What the module makes of eval/configurations/box.nix is in expected/box, and that
# is what integration/vm installs.
{ pkgs, ... }:
{
  imports = [
    ../../../nixos-module
    ../eval/configurations/box.nix
  ];
  # A signing key that everybody knows, so that the script can verify what arrived.
  environment.etc."watchd-signing".source = ./signing;
  # removable.py and failing_disk.py.
  environment.systemPackages = with pkgs; [
    dosfstools
    exfatprogs
    lvm2
  ];
  # clock.py sets the clock.
  services.timesyncd.enable = false;
}
