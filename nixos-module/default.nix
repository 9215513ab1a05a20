# services.watchd: posts a signed webhook when a file has landed.
#
# options.nix    what can be set             assertions.nix  what is refused, and the way out
# unit.nix       service and socket          hardening.nix   the sandbox, and why each line
# memory.nix     the ceiling, computed       values.nix      durations, paths and addresses as text
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  cfg = config.services.watchd;
  values = import ./values.nix { inherit lib; };

  # What is null is not in the file: TOML has no null, and the daemon knows its own defaults.
  settings = lib.filterAttrs (_: value: value != { }) (
    lib.filterAttrsRecursive (_: value: value != null) cfg.settings
  );
  configFile = (pkgs.formats.toml { }).generate "watchd.toml" settings;

  unit = import ./unit.nix {
    inherit
      cfg
      configFile
      lib
      utils
      values
      ;
    hardening = import ./hardening.nix { inherit cfg lib values; };
    memory = import ./memory.nix { inherit cfg lib; };
    systemdVersion = config.systemd.package.version;
  };
in
{
  _file = ./default.nix;
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    inherit
      (import ./assertions.nix {
        inherit
          cfg
          config
          lib
          settings
          values
          ;
      })
      assertions
      warnings
      ;

    # A stable path in ExecStart: the unit does not change with the settings, so that they are reloaded.
    environment.etc."watchd/watchd.toml".source = configFile;
    environment.systemPackages = [ cfg.package ];

    systemd.services.watchd = unit.service;
    systemd.sockets = lib.mkIf (cfg.listen != [ ]) { watchd = unit.socket; };

    # A group, because a dynamic user owns nothing. Not named watchd: a static group of that name keeps
    # the dynamic user from being made.
    users.groups.watchd-inbox = { };

    systemd.tmpfiles.settings."10-watchd" = lib.mapAttrs' (name: inbox: {
      name = cfg.settings.watch.${name}.path;
      value.d = { inherit (inbox) user group mode; };
    }) cfg.inboxes;

    # Small machines allow 8192 watched directories. Weaker than any other module's mkDefault, and no
    # conflict with it. The memory is taken when it is used.
    boot.kernel.sysctl = {
      "fs.inotify.max_user_watches" = lib.mkOverride 1050 524288;
      "fs.inotify.max_user_instances" = lib.mkOverride 1050 512;
    };

    networking.firewall.allowedTCPPorts = lib.mkIf (cfg.openFirewall == true) (
      values.portsOf cfg.listen
    );

    # The build machine's watchd reads the file: what it refuses fails the build, in the words of `watchd check`.
    # (`check` would also look for the roots and credentials, which are on another machine.)
    system.checks = lib.optional cfg.checkConfig (
      pkgs.runCommand "watchd-check" { } ''
        export STATE_DIRECTORY=/var/lib/watchd CREDENTIALS_DIRECTORY=/run/credentials/watchd.service
        ${lib.getExe cfg.checkPackage} run --config ${configFile} --print-config > $out
      ''
    );
  };
}
