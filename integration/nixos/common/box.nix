# The machine under test. What the module makes of eval/configurations/box.nix is in expected/box, and that
# is what integration/vm installs.
{
  imports = [
    ../../../nixos-module
    ../eval/configurations/box.nix
  ];
  # A signing key that everybody knows, so that the script can verify what arrived.
  environment.etc."watchd-signing".source = ./signing;
}
