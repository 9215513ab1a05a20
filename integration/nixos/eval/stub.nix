# Stands in for `pkgs`, so that the real list of NixOS modules can be evaluated where nothing can be built
# or downloaded. Every package is a name; the few functions that our module's output depends on work.
{
  lib,
  nixpkgs,
  names, # of packages that the modules mention, one a line
  systemdVersion,
}:
let
  system = "x86_64-linux";
  platform = lib.systems.elaborate system;

  package =
    name:
    lib.fix (self: {
      type = "derivation";
      inherit name system;
      pname = name;
      version = "1.0";
      outputName = "out";
      outputs = [ "out" ];
      outPath = "/nix/store/00000000000000000000000000000000-${name}";
      drvPath = "${self.outPath}.drv";
      meta.mainProgram = name;
      passthru = { };
      override = _: self;
      overrideAttrs = _: self;
      kernelOlder = _: false;
      kernelAtLeast = _: true;
      shellPath = "/bin/${name}";
    }
    // lib.genAttrs [ "out" "bin" "lib" "dev" "man" "doc" "info" "su" "login" "mount" "swap" "stub" ] (_: self));

  # What is generated is in the store at once, and can be read.
  file =
    name: text:
    package name
    // {
      inherit text;
      outPath = "${builtins.toFile (lib.strings.sanitizeDerivationName name) (builtins.unsafeDiscardStringContext text)}";
    };

  format = generate: _: {
    type = lib.types.anything;
    inherit generate;
    lib = { };
  };
  toml = import ./toml.nix { inherit lib; };

  builders = lib.genAttrs [ "runCommand" "runCommandLocal" "runCommandCC" ] (_: name: _: _: package name);
  # What takes one attribute set and gives a package.
  makers = lib.genAttrs [
    "buildEnv"
    "symlinkJoin"
    "replaceVars"
    "replaceVarsWith"
    "substituteAll"
    "writeShellApplication"
    "fetchurl"
    "fetchpatch"
    "fetchFromGitHub"
  ] (name: _: package name);

  pkgs =
    lib.genAttrs (lib.filter (name: name != "") (lib.splitString "\n" (builtins.readFile names))) package
    // builders
    // makers
    // {
      inherit lib system;
      _type = "pkgs";
      config.allowAliases = false;
      overlays = [ ];
      path = nixpkgs;
      stdenv =
        package "stdenv"
        // lib.filterAttrs (name: _: lib.hasPrefix "is" name) platform
        // {
          hostPlatform = platform;
          buildPlatform = platform;
          targetPlatform = platform;
          cc = package "gcc" // {
            bintools = package "binutils";
          };
        };
      systemd = package "systemd" // {
        version = systemdVersion;
      };
      watchd = package "watchd";
      runtimeShell = "/bin/sh";
      writeText = file;
      writeTextFile = a: file a.name a.text;
      writeTextDir = path: _: package (baseNameOf path);
      writeScript = file;
      writeScriptBin = file;
      writeShellScript = file;
      writeShellScriptBin = name: _: package name;
      concatTextFile = a: package a.name;
      linuxPackagesFor = _: pkgs.linuxPackages;
      linuxPackages = {
        kernel = package "linux";
        extend = _: pkgs.linuxPackages;
      };
      recurseIntoAttrs = lib.id;
      appendOverlays = _: pkgs;
      __splicedPackages = pkgs;
      buildPackages = pkgs;
      pkgsStatic = pkgs;
      # Nothing is built, ours neither.
      callPackage = file: _: package (if lib.hasInfix "nixos-module" (toString file) then "watchd" else "called");
      formats = lib.genAttrs [
        "elixirConf" "gitIni" "hocon" "ini" "iniWithGlobalSection" "javaProperties" "json" "keyValue"
        "libconfig" "lua" "php" "pythonVars" "systemd" "xml" "yaml"
      ] (_: format (name: value: file name (builtins.toJSON value)))
      // {
        toml = _: {
          inherit (toml) type;
          generate = name: value: file name (toml.render value);
        };
      };
    };
in
pkgs
