# The service and its socket. packaging/ is derived from what this generates.
{
  cfg,
  configFile,
  hardening,
  lib,
  memory,
  systemdVersion,
  utils,
  values,
}:
let
  inherit (cfg) settings;
  paths = values.watchPaths cfg;
  drain = if settings.shutdown.drain == null then 10 else values.seconds settings.shutdown.drain;
  maxAge = settings.restart.max_age;
  # Before 256 there is no WantsMountsFor=, and it would be ignored: the same, unit by unit. What is no mount point
  # has no unit, which neither Wants= nor After= minds.
  mountUnits = lib.unique (
    lib.concatMap (path: map (dir: "${utils.escapeSystemdPath dir}.mount") (values.ancestors path)) paths
  );
  ofMounts =
    if lib.versionAtLeast systemdVersion "256" then
      {
        unitConfig.WantsMountsFor = map values.quoted paths;
        units = [ ];
      }
    else
      {
        unitConfig = { };
        units = mountUnits;
      };
  fixed = {
    inherit (settings) instance;
    inherit (settings.http) listen;
    inherit (settings.log) format;
  };
in
{
  service = {
    description = "watchd: webhooks for files that have landed";
    documentation = [ "man:watchd(1)" ];
    # It has to watch before anybody asks its socket.
    wantedBy = [ "multi-user.target" ];
    # Wants, not Requires: a port that is taken must not keep files from being announced.
    wants = lib.optional (cfg.listen != [ ]) "watchd.socket" ++ ofMounts.units;
    # Ordered behind the network so that it can still finish its requests at shutdown. It does not wait for
    # network-online.target: files land without a network, and events wait for it on disk.
    after = [ "network.target" ] ++ lib.optional (cfg.listen != [ ]) "watchd.socket" ++ ofMounts.units;

    # Of mounts: wants, not Requires: a share that cannot be mounted, or is unmounted, must not take watchd from
    # the other watches. These lines also turn a changed path into a restart; the mount namespace needs one.
    unitConfig = ofMounts.unitConfig // {
      # A crash loop is slowed down by RestartSteps, never given up. (A start limit would also close the socket.)
      StartLimitIntervalSec = 0;
    }
    // lib.optionalAttrs (cfg.onFailure != [ ]) { OnFailure = cfg.onFailure; };

    reloadTriggers = [ configFile ];
    # What the daemon keeps as it is until it starts anew (src/daemon/plan.rs).
    restartTriggers = [ (builtins.toJSON fixed) ];
    # A changed unit is restarted in place; stop and start would close the socket in between.
    stopIfChanged = false;

    # It runs no program, and speaks one language in one time zone.
    path = lib.mkForce [ ];
    environment = {
      LOCALE_ARCHIVE = null;
      TZDIR = null;
    };

    serviceConfig = {
      Type = "notify-reload";
      ExecStart = utils.escapeSystemdExecArgs [
        (lib.getExe cfg.package)
        "run"
        "--config"
        "/etc/watchd/watchd.toml"
      ];

      DynamicUser = true;
      SupplementaryGroups = [ "watchd-inbox" ] ++ cfg.supplementaryGroups;
      StateDirectory = "watchd";
      StateDirectoryMode = "0700";
      RuntimeDirectory = "watchd";
      RuntimeDirectoryMode = "0700";
      LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") cfg.credentials;

      # Planned restarts end with 75, and are no failures. 2 and 78: the next start would end the same way.
      Restart = "always";
      SuccessExitStatus = 75;
      RestartPreventExitStatus = "2 78";
      RestartSec = "1s";
      RestartSteps = 5;
      RestartMaxDelaySec = "1min";

      # A reload as well (notify-reload). It lets the requests of changed endpoints finish, and may take 24 seconds
      # beside them (src/daemon/reload.rs).
      TimeoutStartSec = "${toString (lib.max 60 (drain + 30))}s";
      TimeoutStopSec = "${toString (drain + 20)}s";
      WatchdogSec = "30s";

      MemoryHigh = lib.mkDefault "${toString memory.high}M";
      MemoryMax = lib.mkDefault "${toString memory.max}M";
    }
    // lib.optionalAttrs (maxAge != "none") {
      # The backstop: watchd itself restarts before max_age, without an alarm. This one is an alarm.
      RuntimeMaxSec = "${toString (values.seconds maxAge + 3600)}s";
    }
    // lib.optionalAttrs (lib.versionAtLeast systemdVersion "260") {
      RefreshOnReload = "credentials";
    }
    // hardening;
  };

  socket = {
    description = "watchd: health, metrics and status";
    documentation = [ "man:watchd(1)" ];
    wantedBy = [ "sockets.target" ];
    listenStreams = cfg.listen;
    socketConfig = {
      FileDescriptorName = "http";
      # The address may belong to a network that is not up yet.
      FreeBind = true;
      NoDelay = true;
      # Of unix sockets. Other users of this machine have no business with the names of files.
      SocketMode = "0660";
    };
  };
}
