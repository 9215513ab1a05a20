{
  lib,
  rustPlatform,
  stdenv,
  buildPackages,
  installShellFiles,
  runCommand,
}:
let
  root = ../.;
  # What the program is made of: a change of the documentation builds nothing anew.
  sources = [
    ../.cargo
    ../Cargo.lock
    ../Cargo.toml
    ../LICENSE-APACHE
    ../LICENSE-MIT
    ../integration/fuzz/corpus # played by its unit tests
    ../src
  ];
  inherit (lib.importTOML ../Cargo.toml) package;
in
rustPlatform.buildRustPackage (finalAttrs: {
  pname = package.name;
  inherit (package) version;
  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions sources;
  };

  # Each crate by the checksum in the lock file; there is no hash to look after.
  cargoLock.lockFile = ../Cargo.lock;

  # As for everybody else. Where cargo itself reads that file, this says nothing new.
  env = (lib.importTOML ../.cargo/config.toml).env;

  # The proofs need programs and rights of their own: checks.nix runs them.
  cargoTestFlags = [
    "--lib"
    "--bins"
  ];

  nativeBuildInputs = [ installShellFiles ];
  # The program writes these itself; a cross-built one cannot be asked, so its twin for this machine is.
  postInstall =
    let
      watchd =
        if stdenv.buildPlatform.canExecute stdenv.hostPlatform then
          "$out/bin/watchd"
        else
          lib.getExe (buildPackages.callPackage ./package.nix { });
    in
    ''
      ${watchd} man --out man
      installManPage man/*
      installShellCompletion --cmd watchd \
        --bash <(${watchd} completions bash) \
        --fish <(${watchd} completions fish) \
        --zsh <(${watchd} completions zsh)
    '';

  # A static program refers to nothing.
  disallowedReferences = lib.optional stdenv.hostPlatform.isStatic stdenv.cc.cc;

  # It starts: on this machine, or in an emulator of the other one.
  passthru.tests.starts = runCommand "watchd-starts" { } ''
    ${stdenv.hostPlatform.emulator buildPackages} ${lib.getExe finalAttrs.finalPackage} --version | tee $out
    grep -qx 'watchd ${finalAttrs.version}' $out
  '';

  meta = {
    inherit (package) description;
    license = with lib.licenses; [
      asl20
      mit
    ];
    mainProgram = "watchd";
    platforms = lib.platforms.linux;
  };
})
