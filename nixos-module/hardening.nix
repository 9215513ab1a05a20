# The sandbox. Checked by `systemd-analyze security` (integration/nixos): 1.4 with writer detection, 1.1
# without. Every line that is not obvious says why.
{
  cfg,
  lib,
  values,
}:
let
  paths = values.watchPaths cfg;
  homes = [
    "/home"
    "/root"
    "/run/user"
  ];
  isHome = path: values.isBelowAny path homes;
  tcpListen =
    cfg.settings.http.listen != null
    && cfg.settings.http.listen != "none"
    && !(lib.hasPrefix "unix:" cfg.settings.http.listen);
in
{
  ProtectSystem = "strict";
  # Closed, unless something in there is watched. Then all of it is there to be read, and file modes decide:
  # a bind mount of the directory alone would keep showing the old one after somebody replaced it.
  ProtectHome = if lib.any isHome paths then "read-only" else true;
  PrivateTmp = true;
  PrivateDevices = true;
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  # ProcSubset=pid would also hide /proc/sys/fs/inotify, whose limits are shown in the metrics.
  ProtectProc = "invisible";
  UMask = "0077";

  # Its own program and libraries, and nothing that lands.
  NoExecPaths = "/";
  ExecPaths = builtins.storeDir;

  NoNewPrivileges = true;
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  KeyringMode = "private";

  # UNIX: the service manager, the journal, the control socket, nscd.
  RestrictAddressFamilies = [
    "AF_UNIX"
    "AF_INET"
    "AF_INET6"
  ];
  # The listener comes from the socket unit.
  SocketBindDeny = "any";

  SystemCallArchitectures = "native";
  # @aio holds io_uring, which does not ask RestrictAddressFamilies. EPERM, for a library that probes for a
  # call is not to die of it.
  SystemCallFilter = [
    "@system-service"
    "~@privileged @resources @aio"
  ];
  SystemCallErrorNumber = "EPERM";
}
// lib.optionalAttrs tcpListen {
  SocketBindAllow = "tcp:${values.portOf cfg.settings.http.listen}";
}
// (
  if cfg.writerDetection then
    {
      # fcntl(2): a lease on a file of another user takes CAP_LEASE, and in a user namespace it is void for
      # users that are not mapped. So this capability, and no PrivateUsers.
      AmbientCapabilities = "CAP_LEASE";
      CapabilityBoundingSet = "CAP_LEASE";
    }
  else
    {
      AmbientCapabilities = "";
      CapabilityBoundingSet = "";
      PrivateUsers = true;
    }
)
