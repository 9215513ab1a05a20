# What the module generates, as one JSON value; `../evaluate` runs it.
#
# configurations  each file of configurations/ in the real list of NixOS modules
# reloads         what a change of the settings changes in the unit
# refused         each case of refused.nix: the messages it gets
{
  nixpkgs, # a folder with lib/ and nixos/ of nixpkgs
  names,
}:
let
  lib = import "${nixpkgs}/lib";
  module = ../../../nixos-module;
  pkgsFor = systemdVersion: import ./stub.nix { inherit lib nixpkgs names systemdVersion; };

  # The smallest system there is.
  base = {
    boot.isContainer = true;
    documentation.enable = false;
    environment.stub-ld.enable = false;
    nix.enable = false;
    nixpkgs.hostPlatform = "x86_64-linux";
    system.stateVersion = "24.11";
  };
  evaluate =
    systemdVersion: modules:
    (import "${nixpkgs}/nixos/lib/eval-config.nix" {
      inherit lib;
      system = null;
      modules = [
        module
        base
        { nixpkgs.pkgs = pkgsFor systemdVersion; }
      ] ++ modules;
    }).config;

  unitsOf = config: {
    service = config.systemd.units."watchd.service".text;
    socket = config.systemd.units."watchd.socket".text or null;
  };
  show = config: {
    failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
    inherit (config) warnings;
    units = unitsOf config;
    toml = config.environment.etc."watchd/watchd.toml".source.text;
    beside = {
      tmpfiles = config.systemd.tmpfiles.settings."10-watchd";
      groups = lib.filter (lib.hasPrefix "watchd") (lib.attrNames config.users.groups);
      users = lib.filter (lib.hasPrefix "watchd") (lib.attrNames config.users.users);
      firewall = config.networking.firewall.allowedTCPPorts;
      sysctl = lib.filterAttrs (name: _: lib.hasInfix "inotify" name) config.boot.kernel.sysctl;
      checks = map (check: check.name) (lib.filter (c: lib.hasPrefix "watchd" c.name) config.system.checks);
    };
  };

  configurations = lib.mapAttrs' (file: _: {
    name = lib.removeSuffix ".nix" file;
    value = ./configurations + "/${file}";
  }) (builtins.readDir ./configurations);

  everything = changes: unitsOf (evaluate "257" ([ configurations.everything ] ++ changes));

  # The module alone, for what it refuses: a full system for each case would take a minute.
  alone =
    configuration:
    (lib.evalModules {
      modules = [
        module
        configuration
        {
          options = {
            assertions = lib.mkOption { type = lib.types.listOf lib.types.unspecified; };
            warnings = lib.mkOption { type = lib.types.listOf lib.types.str; };
            users = lib.mkOption { type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw); };
          };
          config = {
            users.users.root = { };
            _module.freeformType = lib.types.lazyAttrsOf lib.types.raw;
            _module.args = {
              pkgs = pkgsFor "257";
              utils = { };
            };
          };
        }
      ];
    }).config;
  options =
    (lib.evalModules {
      modules = [
        module
        {
          _module.check = false;
          _module.args = {
            pkgs = pkgsFor "257";
            utils = { };
          };
        }
      ];
    }).options;
  refusalsOf =
    case:
    let
      config = alone {
        imports = [ (import ./good.nix) case.configuration ];
      };
    in
    {
      inherit (case) expected;
      failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
      inherit (config) warnings;
    };
in
{
  configurations = lib.mapAttrs (_: file: show (evaluate "257" [ file ])) configurations;

  reloads = {
    unchanged = everything [ ];
    quiet = everything [ { services.watchd.settings.watch.scans.quiet = lib.mkForce "9s"; } ];
    url = everything [ { services.watchd.settings.endpoint.crm.url = lib.mkForce "https://example.org/other"; } ];
    endpoint = everything [ { services.watchd.settings.endpoint.third.url = "https://example.org/third"; } ];
    path = everything [ { services.watchd.settings.watch.scans.path = lib.mkForce "/srv/elsewhere"; } ];
    drain = everything [ { services.watchd.settings.shutdown.drain = lib.mkForce "90s"; } ];
    format = everything [ { services.watchd.settings.log.format = lib.mkForce "json"; } ];
    credential = everything [ { services.watchd.credentials.more = "/run/secrets/more"; } ];
  };

  # 256 is the first with WantsMountsFor=.
  systemd255 = unitsOf (evaluate "255" [ configurations.everything ]);

  # From systemd 260 on a reload brings new credentials.
  systemd260 = unitsOf (evaluate "260" [ configurations.everything ]);

  refused = lib.mapAttrs (_: refusalsOf) (import ./refused.nix { inherit lib; });

  # Options without a word about them.
  undocumented =
    let
      shown = lib.optionAttrSetToDocList options.services.watchd;
    in
    map (option: option.name) (
      lib.filter (option: option.visible && !option.internal && option.description or null == null) shown
    );

  # Every key of the file that has a type in the module.
  typed =
    let
      ours = lib.filterAttrs (name: _: !(lib.hasPrefix "_" name));
      keys =
        path: options:
        lib.concatLists (
          lib.mapAttrsToList (
            name: option:
            let
              below = ours (option.type.getSubOptions [ ]);
              here = path ++ [ name ] ++ lib.optional (option.type.name == "attrsOf" && below != { }) "*";
            in
            if below == { } then [ here ] else keys here below
          ) options
        );
      inherit (options.services.watchd) settings;
    in
    map (lib.concatStringsSep ".") (keys [ ] (ours (settings.type.getSubOptions [ ])));
}
