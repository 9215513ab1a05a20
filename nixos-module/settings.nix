# The part of the configuration file that has types here: what the module itself reads, and what most
# people set. Every other key is taken as it is and checked by watchd when the system is built.
{
  lib,
  pkgs,
  cfg,
}:
let
  inherit (lib) mkOption types;
  freeformType = (pkgs.formats.toml { }).type;

  # Absent unless set: TOML has no null, and defaults are the daemon's business.
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  duration = types.strMatching "[0-9]+ *(ms|s|m|h|d)" // {
    description = ''duration, such as "500ms", "2s" or "1d"'';
  };
  maybeDuration = types.either (types.enum [ "none" ]) duration;

  table =
    options:
    types.submodule {
      inherit freeformType options;
    };

  watch = table {
    path = mkOption {
      type = types.str;
      example = "/srv/incoming";
      description = "The directory to watch: absolute, and not inside another watch's.";
    };
    endpoints = optional (types.listOf types.str) ''
      Where its files are announced. Required when there is more than one endpoint.
    '';
    include = optional (types.listOf types.str) "Globs as in .gitignore; empty is everything.";
    exclude = optional (types.listOf types.str) "Globs, on top of the default excludes.";
    quiet = optional duration "How long a file must stay unchanged. Default 2s.";
    initial = optional (types.enum [
      "deliver"
      "baseline"
    ]) "Whether files that are there at the first complete scan are announced.";
    require_mount = optional types.bool "Whether something has to be mounted at the path.";
    writer_detection = mkOption {
      type = types.nullOr (types.enum [
        "auto"
        "off"
      ]);
      default = if cfg.writerDetection then null else "off";
      defaultText = lib.literalExpression ''if services.watchd.writerDetection then null else "off"'';
      description = "Whether the kernel is asked for writers.";
    };
  };

  endpoint = table {
    url = optional types.str ''
      Where to post. It is readable by everybody on this machine; when it is itself a secret, use `url_file`.
    '';
    url_file = optional types.str "The name of the credential that holds the URL.";
    secret_files = optional (types.listOf types.str) ''
      Names of the credentials that sign, newest first.
    '';
    headers = optional (types.attrsOf types.str) "Fixed headers; not for secrets.";
    header_files = optional (types.attrsOf types.str) ''
      Headers whose value is a secret: the names of the credentials.
    '';
    ca_file = optional types.str "PEM file that replaces the system's roots.";
    client_cert_file = optional types.str "PEM file with the client's certificate.";
    client_key_file = optional types.str "The name of the credential with the client's key.";
    concurrency = optional (types.ints.between 1 256) "Requests at once. Default 4.";
  };
in
{
  inherit freeformType;

  options = {
    watch = mkOption {
      type = types.attrsOf watch;
      default = { };
      description = "What is watched. A name is part of the event ids: a new name announces everything again.";
    };
    endpoint = mkOption {
      type = types.attrsOf endpoint;
      default = { };
      description = "Where it is announced.";
    };
    shutdown = mkOption {
      type = table {
        drain = optional duration ''
          How long requests in flight may take at the end. Default 10s; the unit's TimeoutStopSec follows.
        '';
      };
      default = { };
      description = "The end.";
    };
    restart = mkOption {
      type = table {
        max_age = mkOption {
          type = maybeDuration;
          default = "1d";
          description = ''
            After this long, watchd finishes its requests and starts anew. `"none"` is never. The unit's
            RuntimeMaxSec stands an hour behind it.
          '';
        };
        on_binary_change = optional types.bool ''
          Only for programs that are replaced in place. In the Nix store none is.
        '';
      };
      default = { };
      description = "Planned restarts.";
    };
    instance = optional types.str "Part of every event id. Default: derived from the machine's id.";
    log = mkOption {
      type = table {
        level = optional types.str "A level, or a filter. Default info.";
        format = optional (types.enum [
          "auto"
          "text"
          "json"
          "journal"
        ]) "The shape of the lines.";
      };
      default = { };
      description = "What is logged.";
    };
    operations = mkOption {
      type = table {
        endpoint = optional types.str "The endpoint that is told about watchd itself.";
      };
      default = { };
      description = "Notices.";
    };
    heartbeat = mkOption {
      type = table {
        url = optional types.str "Pinged while everything moves.";
        url_file = optional types.str "The name of the credential that holds this URL.";
        interval = optional duration "Time between pings. Default 1m.";
      };
      default = { };
      description = "A sign of life for a service elsewhere.";
    };
    http = mkOption {
      type = table {
        listen = optional types.str "Only without {option}`services.watchd.listen`.";
      };
      default = { };
      description = "The status listener.";
    };
    state = mkOption {
      type = table {
        dir = optional types.str "Not to be set: systemd provides /var/lib/watchd.";
      };
      default = { };
      description = "The journal's limits.";
    };
    control = mkOption {
      type = table {
        socket = optional types.str "Not to be set: systemd provides /run/watchd.";
      };
      default = { };
      description = "The socket of the commands.";
    };
  };
}
