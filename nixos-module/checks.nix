# What `nix flake check` builds: every package and shell, every proof, every VM test. Names come from what
# is there, so that nothing is forgotten when something is added.
{
  pkgs,
  packages,
  devShells,
}:
let
  inherit (pkgs) lib;
  inherit (packages) watchd;
  named = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");

  # The program's build with other work to do, on all of the repository.
  cargo =
    name: inputs: command:
    watchd.overrideAttrs (old: {
      pname = "watchd-${name}";
      src = lib.cleanSource ../.;
      nativeBuildInputs = old.nativeBuildInputs ++ inputs;
      dontCargoInstall = true;
      doCheck = false;
      buildPhase = command;
      installPhase = "touch $out";
      postInstall = "";
    });

  # The options, documented as NixOS does it; a description that is missing or broken is an error.
  options =
    (lib.evalModules {
      modules = [
        ./options.nix
        {
          _module.check = false;
          _module.args = { inherit pkgs; };
        }
      ];
    }).options.services.watchd;
  documentation = pkgs.nixosOptionsDoc {
    options.services.watchd = options;
    warningsAreErrors = true;
  };

  # integration/nixos/NAME.nix is a test of its own.
  vmTests = lib.mapAttrs' (file: _: {
    name = "vm-${lib.removeSuffix ".nix" file}";
    value = pkgs.testers.runNixOSTest (../integration/nixos + "/${file}");
  }) (lib.filterAttrs (file: _: lib.hasSuffix ".nix" file) (builtins.readDir ../integration/nixos));
in
named "package" packages
// named "shell" devShells
// named "starts" (
  lib.mapAttrs (_: package: package.tests.starts) (removeAttrs packages [ "default" ])
)
// vmTests
// {
  option-documentation = documentation.optionsCommonMark;

  # The module's output against what is kept, its assertions, and the units in the eyes of systemd.
  module =
    cargo "module"
      [
        pkgs.cargo-nextest
        pkgs.nix
        pkgs.systemd
      ]
      ''
        export HOME=$TMPDIR NIX_STATE_DIR=$TMPDIR/nix NIX_STORE_DIR=$TMPDIR/store NIXPKGS=${pkgs.path}
        cargo nextest run --offline --config-file integration/nextest.toml -E 'test(/^nixos::/)'
      '';
  clippy = cargo "clippy" [ pkgs.clippy ] "cargo clippy --offline --all-targets -- -D warnings";
  nextest = cargo "nextest" [
    pkgs.cargo-nextest
    pkgs.git
    pkgs.python3
    pkgs.strace
  ] "cargo nextest run --offline --config-file integration/nextest.toml -E 'not test(/^nixos::/)'";
  fmt = pkgs.runCommand "watchd-fmt" { nativeBuildInputs = [ pkgs.cargo pkgs.rustfmt pkgs.nixfmt ]; } ''
    cd ${lib.cleanSource ../.}
    cargo fmt --check
    find . -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';
}
