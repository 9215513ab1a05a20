# One behaviour as a NixOS test: `import ./common/test.nix ./settling.py`. integration/vm runs the same
# script on Debian.
script:
{ lib, ... }:
{
  name = "watchd-${lib.removeSuffix ".py" (baseNameOf script)}";
  nodes = {
    box = ./box.nix;
    receiver = ../receiver/node.nix;
  };
  globalTimeout = 30 * 60;
  testScript = builtins.readFile ./helpers.py + builtins.readFile script;
}
