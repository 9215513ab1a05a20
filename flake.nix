{
  description = "watchd posts a signed webhook when a file has landed";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      system = pkgs: pkgs.stdenv.hostPlatform.system;
    in
    {
      packages = eachSystem (pkgs: rec {
        default = watchd;
        watchd = pkgs.callPackage ./nixos-module/package.nix { };
        # Static: it runs on any Linux with an ARM of 64 bits.
        watchd-aarch64 =
          pkgs.pkgsCross.aarch64-multiplatform.pkgsStatic.callPackage ./nixos-module/package.nix
            { };
      });

      overlays.default = final: _: { watchd = final.callPackage ./nixos-module/package.nix { }; };

      nixosModules = rec {
        default = watchd;
        watchd = ./nixos-module;
      };

      checks = eachSystem (
        pkgs:
        import ./nixos-module/checks.nix {
          inherit pkgs;
          packages = self.packages.${system pkgs};
          devShells = self.devShells.${system pkgs};
        }
      );

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${system pkgs}.watchd ];
          packages = with pkgs; [
            cargo-deny
            cargo-nextest
            clippy
            jq
            python3
            rustfmt
            strace
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      apps = eachSystem (pkgs: {
        demo = {
          type = "app";
          program = lib.getExe (
            pkgs.writeShellScriptBin "demo" "exec ${lib.getExe self.packages.${system pkgs}.watchd} demo \"$@\""
          );
          meta.description = "A folder, a receiver and the daemon in one terminal";
        };
      });

      # An ARM box, built on a PC.
      nixosConfigurations.appliance = lib.nixosSystem {
        modules = [
          self.nixosModules.default
          ./nixos-module/appliance.nix
        ];
      };
    };
}
