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

  configurations = ../integration/nixos/eval/configurations;
  # Each configuration in this very NixOS: no assertion fails, watchd accepts the file, the sandbox is tight.
  # (integration/nixos compares the text, with the nixpkgs that it was kept with.)
  module =
    file: _:
    let
      name = lib.removeSuffix ".nix" file;
      inherit
        (pkgs.nixos {
          imports = [
            ./.
            (configurations + "/${file}")
          ];
          boot.isContainer = true;
          system.stateVersion = "26.05";
        })
        config
        ;
      failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
      ours = lib.filter (check: lib.hasPrefix "watchd" check.name) config.system.checks;
      limit = if config.services.watchd.writerDetection then 14 else 12;
    in
    lib.nameValuePair "module-${name}" (
      assert lib.assertMsg (failed == [ ]) "${name}: ${lib.concatLines failed}";
      pkgs.runCommand "watchd-module-${name}" { nativeBuildInputs = [ pkgs.systemd ]; } ''
        : ${toString ours}
        systemd-analyze security --offline=true --threshold=${toString limit} \
          ${config.systemd.units."watchd.service".unit}/watchd.service | tee $out
      ''
    );

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
// lib.mapAttrs' module (builtins.readDir configurations)
// {
  option-documentation = documentation.optionsCommonMark;

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
