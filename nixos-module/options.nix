{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.watchd;
in
{
  options.services.watchd = {
    enable = lib.mkEnableOption "watchd, which posts a signed webhook when a file has landed";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The watchd to run. The default follows a cross-built system.";
    };

    settings = mkOption {
      type = types.submodule (import ./settings.nix { inherit lib pkgs cfg; });
      default = { };
      example = lib.literalExpression ''
        {
          watch.scans.path = "/srv/incoming";
          endpoint.crm = {
            url = "https://example.net/hook";
            secret_files = [ "crm" ];   # services.watchd.credentials.crm
          };
        }
      '';
      description = ''
        The configuration file, key for key; watchd's README lists them all. A change is applied by a
        reload. Watched paths, `shutdown.drain`, `restart.max_age` and what raises the memory ceiling by
        a step are part of the unit and restart it; nothing is lost by that. This file is readable by
        everybody: secrets belong into {option}`services.watchd.credentials`.
      '';
    };

    credentials = mkOption {
      type = types.attrsOf (types.addCheck types.path (path: !(lib.hasInfix ":" (toString path))));
      default = { };
      apply = lib.mapAttrs (_: toString);
      example = {
        crm = "/run/secrets/watchd-crm";
      };
      description = ''
        Files with secrets, by the name that settings call them by: `secret_files`, `url_file`,
        `header_files`, `client_key_file` and the like. systemd hands them to the service
        ({manpage}`systemd.exec(5)`, LoadCredential=), so they may belong to root alone. When the content
        of one has changed, restart watchd; from systemd 260 on a reload is enough.
      '';
    };

    listen = mkOption {
      type = types.listOf types.str;
      default = [ "127.0.0.1:9464" ];
      example = [ "/run/watchd-http.sock" ];
      description = ''
        Where `/health`, `/metrics` and `/status` are served: addresses of a socket unit
        ({manpage}`systemd.socket(5)`, ListenStream=), which stays open while the service restarts. An
        empty list makes no socket. When a running system's addresses change, restart `watchd.socket`.
      '';
    };

    openFirewall = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = ''
        Whether to open the TCP ports of {option}`services.watchd.listen`. Has to be decided when an address
        is not of this machine alone.
      '';
    };

    writerDetection = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether watchd may ask the kernel if somebody still writes a file of another user. That takes
        CAP_LEASE, and cannot be had together with a user namespace of its own: in one, the capability is
        void for files of others. `false` drops the capability, uses a user namespace (exposure 1.1 instead
        of 1.4 by {manpage}`systemd-analyze(1)` 262), and sets `writer_detection = "off"` for each watch: only
        the quiet period counts then, and a writer that pauses for longer is announced too early. In a user
        namespace inotify watches are charged to root, too.
      '';
    };

    inboxes = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule {
          options = {
            user = mkOption {
              type = types.str;
              default = "root";
              description = "Who owns the directory: for instance the user of the upload server.";
            };
            group = mkOption {
              type = types.str;
              default = "watchd-inbox";
              description = "Its group, which new files get, too. watchd is in the default one.";
            };
            mode = mkOption {
              type = types.str;
              default = "2770";
              description = "Its mode. The first 2 hands the group on to what is made inside.";
            };
          };
        }
      );
      example = lib.literalExpression ''{ scans = { user = "scanner"; }; }'';
      description = ''
        Watches whose directory is made at boot, by the name of the watch. watchd reads them as a member of
        the group `watchd-inbox`: put uploading users into it, and see that their umask lets the group read.
      '';
    };

    supplementaryGroups = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "scanner" ];
      description = "Further groups that watchd is in, to read directories that belong to them.";
    };

    directoriesMax = mkOption {
      type = types.ints.between 1 500000;
      default = 20000;
      description = ''
        How many watched directories the memory limits leave room for. The one part of the ceiling that
        does not follow from the settings.
      '';
    };

    onFailure = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "notify-admin@%n.service" ];
      description = ''
        Units to start when watchd crashed, was killed or did not answer. Planned restarts do not count.
      '';
    };

    checkConfig = mkOption {
      type = types.bool;
      default = true;
      description = "Whether watchd has to accept the configuration when the system is built.";
    };

    checkPackage = mkOption {
      type = types.package;
      default =
        if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
          cfg.package
        else
          pkgs.buildPackages.callPackage ./package.nix { };
      defaultText = lib.literalExpression "the same version, for the machine that builds";
      description = "The watchd that checks the configuration. It runs on the machine that builds.";
    };
  };
}
