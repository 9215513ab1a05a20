# Durations, paths and addresses are text in the configuration. What they say, as functions.
{ lib }:
rec {
  # Seconds, rounded up.
  seconds =
    text:
    let
      parts = builtins.match "([0-9]+) *(ms|s|m|h|d)" text;
      number = lib.toIntBase10 (builtins.elemAt parts 0);
      unit = builtins.elemAt parts 1;
    in
    if unit == "ms" then
      (number + 999) / 1000
    else
      number
      * {
        s = 1;
        m = 60;
        h = 3600;
        d = 86400;
      }
      .${unit};

  # "/srv//in/" and "/srv/in" are one directory.
  components = path: lib.filter (part: part != "" && part != ".") (lib.splitString "/" path);
  isBelow =
    inner: outer:
    let
      start = components outer;
    in
    lib.take (lib.length start) (components inner) == start;
  isBelowAny = path: lib.any (isBelow path);
  # "/srv/in" is in "/srv" and in itself. The root is mounted in any case.
  ancestors =
    path:
    let
      parts = components path;
    in
    lib.imap1 (count: _: "/" + lib.concatStringsSep "/" (lib.take count parts)) parts;

  # A path as a word of a unit file.
  quoted =
    path:
    if builtins.match "[A-Za-z0-9/._-]+" path != null then
      path
    else
      builtins.toJSON (lib.replaceStrings [ "%" ] [ "%%" ] path);

  isUnix = address: lib.hasPrefix "/" address || lib.hasPrefix "@" address;
  portOf = address: lib.last (lib.splitString ":" address);
  portsOf =
    addresses: lib.unique (map (a: lib.toInt (portOf a)) (lib.filter (a: !(isUnix a)) addresses));
  # A port alone is every address, of IPv4 as well.
  isEveryAddress =
    address: builtins.match "([0-9]+|0\\.0\\.0\\.0:[0-9]+|\\[::]:[0-9]+|\\*:[0-9]+)" address != null;
  isAddress =
    address:
    isUnix address || builtins.match "([0-9]+|[0-9.]+:[0-9]+|\\[[0-9a-fA-F:.%]+]:[0-9]+)" address != null;

  watchPaths = cfg: lib.mapAttrsToList (_: watch: watch.path) cfg.settings.watch;

  # Each file that holds something secret or private, with the key that names it.
  filesOf =
    cfg:
    let
      one = key: file: lib.optional (file != null && file != "none") { inherit key file; };
      many = key: files: lib.concatMap (one key) (if files == null then [ ] else files);
      ofEndpoint =
        name: e:
        let
          key = "endpoint.${name}";
        in
        many "${key}.secret_files" e.secret_files
        ++ one "${key}.url_file" e.url_file
        ++ many "${key}.header_files" (
          lib.optionals (e.header_files != null) (lib.attrValues e.header_files)
        )
        ++ one "${key}.ca_file" e.ca_file
        ++ one "${key}.client_cert_file" e.client_cert_file
        ++ one "${key}.client_key_file" e.client_key_file;
    in
    lib.concatLists (lib.mapAttrsToList ofEndpoint cfg.settings.endpoint)
    ++ one "heartbeat.url_file" cfg.settings.heartbeat.url_file;
}
