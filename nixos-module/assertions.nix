# What is refused before anything is built. Each sentence names the option and the way out. What cannot be
# seen from here is left to watchd itself, which reads the file when the system is built.
{
  cfg,
  config,
  lib,
  settings,
  values,
}:
let
  inherit (lib) concatStringsSep filter;
  inherit (values) isBelow;

  watches = cfg.settings.watch;
  endpoints = cfg.settings.endpoint;
  watchNames = lib.attrNames watches;
  endpointNames = lib.attrNames endpoints;

  option = key: "services.watchd.settings.${key}";
  isName = name: builtins.match "[a-z0-9][a-z0-9-]{0,62}" name != null;
  isGiven = value: value != null && value != "none" && value != "auto";
  isStore = path: lib.hasPrefix "${builtins.storeDir}/" path;

  refuse = refused: message: {
    assertion = !refused;
    inherit message;
  };
  # One assertion for each of these that is wrong.
  refuseEach = wrong: message: items: map (item: refuse true (message item)) (filter wrong items);

  # ---- what is watched

  # Not in the unit's view of the file system, not a place for files, or watchd's own.
  forbidden = {
    "/tmp" = "the service has a /tmp of its own";
    "/var/tmp" = "the service has a /var/tmp of its own";
    "/dev" = "the service has a /dev of its own";
    "/proc" = "nothing lands there";
    "/sys" = "nothing lands there";
    "/run/credentials" = "secrets are there";
    "/run/watchd" = "it is watchd's own";
    "/var/lib/watchd" = "it is watchd's own: each delivery would be an arrival";
    "/var/lib/private" = "it is closed to everybody but its owners";
    ${builtins.storeDir} = "it is read-only";
  };
  # A root above one of these would watch it, too.
  tooHigh = [
    "/"
    "/run"
    "/var"
    "/var/lib"
    "/nix"
  ];
  reasonAgainst =
    path:
    let
      inside = filter (isBelow path) (lib.attrNames forbidden);
      high = filter (top: values.components top == values.components path) tooHigh;
    in
    if inside != [ ] then
      forbidden.${lib.head inside}
    else if high != [ ] then
      "it holds directories of the system, and watchd's own state"
    else
      null;

  ofWatch =
    name: watch:
    let
      key = option "watch.${name}.path";
      absolute = lib.hasPrefix "/" watch.path && !(lib.elem ".." (lib.splitString "/" watch.path));
      reason = reasonAgainst watch.path;
      unknown = filter (e: !(lib.elem e endpointNames)) (
        if watch.endpoints == null then [ ] else watch.endpoints
      );
    in
    [
      (refuse (!isName name) "${option "watch"}: \"${name}\" is no name for a watch. Use lower-case letters, digits and `-`, 63 at most, and begin with a letter or digit.")
      (refuse (!absolute) "${key}: \"${watch.path}\" is not absolute. Write the path from / on, without `..`.")
      (refuse (
        absolute && reason != null
      ) "${key}: ${watch.path} cannot be watched: ${toString reason}. Use a directory of its own, such as /srv/${name}.")
      (refuse (unknown != [ ])
        "${option "watch.${name}.endpoints"}: there is no endpoint ${concatStringsSep ", " unknown}. Define ${option "endpoint.${toString (lib.take 1 unknown)}"}, or name one of: ${concatStringsSep ", " endpointNames}."
      )
      (refuse (watch.endpoints == null && lib.length endpointNames > 1)
        "${option "watch.${name}.endpoints"}: there are several endpoints (${concatStringsSep ", " endpointNames}). Say which of them are told."
      )
      (refuse (!cfg.writerDetection && watch.writer_detection == "auto")
        "${option "watch.${name}.writer_detection"} is \"auto\", but services.watchd.writerDetection is off, and the service has no right to ask. Turn that on, or leave this key out."
      )
    ];

  pairs = lib.concatLists (
    lib.imap0 (at: one: map (other: { inherit one other; }) (lib.drop (at + 1) watchNames)) watchNames
  );
  isNested =
    { one, other }:
    isBelow watches.${one}.path watches.${other}.path
    || isBelow watches.${other}.path watches.${one}.path;

  # ---- where it is announced

  isUrl = url: builtins.match "https?://.+" url != null;
  hasPassword = url: builtins.match "https?://[^/?#]*@.*" url != null;
  secretHeaders = filter (
    name:
    lib.elem (lib.toLower name) [
      "authorization"
      "cookie"
      "proxy-authorization"
      "x-api-key"
      "x-auth-token"
    ]
  );

  ofEndpoint =
    name: e:
    let
      key = option "endpoint.${name}";
      secret = secretHeaders (lib.attrNames (if e.headers == null then { } else e.headers));
    in
    [
      (refuse (!isName name) "${option "endpoint"}: \"${name}\" is no name for an endpoint. Use lower-case letters, digits and `-`, 63 at most, and begin with a letter or digit.")
      (refuse (
        e.url == null && e.url_file == null
      ) "${key} has no URL. Set ${key}.url, or ${key}.url_file to the name of a credential.")
      (refuse (
        e.url != null && e.url_file != null
      ) "${key} has both url and url_file. Keep one of them.")
      (refuse (
        e.url != null && !(isUrl e.url)
      ) "${key}.url is no address: it has to begin with http:// or https://.")
      (refuse (
        e.url != null && hasPassword e.url
      ) "${key}.url holds a user or password, which everybody on this machine could read. Use ${key}.header_files with a credential.")
      (refuse (secret != [ ])
        "${key}.headers: ${concatStringsSep ", " secret} is a secret, and everybody on this machine could read it. Put the value into a file, name the file in services.watchd.credentials, and the credential in ${key}.header_files."
      )
    ];

  # ---- secrets

  isSecret = text: lib.isString text && builtins.match ".*wh(sec|sk)_[A-Za-z0-9+/=]{16}.*" text != null;
  secretsIn =
    key: value:
    if lib.isAttrs value then
      lib.concatLists (lib.mapAttrsToList (name: secretsIn (key ++ [ name ])) value)
    else if lib.isList value then
      lib.concatMap (secretsIn key) value
    else
      lib.optional (isSecret value) (concatStringsSep "." key);

  files = values.filesOf cfg;
  isRelative = file: !(lib.hasPrefix "/" file.file);
  isPublic = file: lib.hasSuffix "ca_file" file.key || lib.hasSuffix "client_cert_file" file.key;

  # ---- places that the unit decides

  http = cfg.settings.http.listen;
  # ProtectSystem=strict: it can write in its own directories, of which this one is for sockets.
  isUnbindable =
    listen:
    isGiven listen
    && cfg.listen == [ ]
    && lib.hasPrefix "unix:" listen
    && !(isBelow (lib.removePrefix "unix:" listen) "/run/watchd");
  foreign = filter (a: values.isEveryAddress a) cfg.listen;
in
{
  assertions =
    [
      (refuse (watches == { }) "${option "watch"} is empty: there is nothing to watch. Set ${option "watch.scans.path"}, for instance.")
      (refuse (endpoints == { }) "${option "endpoint"} is empty: there is nobody to tell. Set ${option "endpoint.crm.url"}, for instance.")
      (refuse (isGiven cfg.settings.state.dir) "${option "state.dir"} cannot be set: the service may write nowhere but in /var/lib/watchd. Leave it out; to have it elsewhere, mount or bind that path.")
      (refuse (isGiven cfg.settings.control.socket) "${option "control.socket"} cannot be set: the service's own directory is /run/watchd. Leave it out.")
      (refuse (isGiven http && cfg.listen != [ ]) "${option "http.listen"} is set, but the socket unit's addresses go first. Put the address into services.watchd.listen and leave this key out.")
      (refuse (isUnbindable http) "${option "http.listen"}: the service may make no socket at ${lib.removePrefix "unix:" (toString http)}. Use unix:/run/watchd/http.sock, or put the path into services.watchd.listen and leave this key out.")
      (refuse (cfg.settings.restart.on_binary_change == true) "${option "restart.on_binary_change"}: a program in the Nix store never changes; a new one is a new unit. Leave it out.")
      (refuse (config.users.users ? watchd || config.users.groups ? watchd)
        "users.users.watchd or users.groups.watchd is defined: services.watchd runs as a dynamic user of that name, which could not be made. Give the user or group another name."
      )
      (refuse (
        isGiven cfg.settings.operations.endpoint && !(endpoints ? ${cfg.settings.operations.endpoint})
      ) "${option "operations.endpoint"}: there is no endpoint ${toString cfg.settings.operations.endpoint}. Define ${option "endpoint.${toString cfg.settings.operations.endpoint}"}.")
      (refuse (cfg.openFirewall == null && foreign != [ ])
        "services.watchd.listen: ${concatStringsSep ", " foreign} is every address of this machine. Set services.watchd.openFirewall to true, to false if other rules guard the port, or listen on 127.0.0.1."
      )
    ]
    ++ lib.concatLists (lib.mapAttrsToList ofWatch watches)
    ++ lib.concatLists (lib.mapAttrsToList ofEndpoint endpoints)
    ++ refuseEach isNested (
      { one, other }:
      "${option "watch.${one}.path"} and ${option "watch.${other}.path"} are one inside the other: a file would have two names. Choose directories beside each other, or one watch for both."
    ) pairs
    ++ refuseEach (a: !(values.isAddress a)) (
      a: "services.watchd.listen: \"${a}\" is no address with a port, and no path. Write \"127.0.0.1:9464\", \"[::1]:9464\" or \"/run/watchd-http.sock\"."
    ) cfg.listen
    ++ refuseEach (_: true) (
      key: "${key} holds a signing secret, which everybody on this machine could read. Put it into a file, name the file in services.watchd.credentials, and the credential in secret_files. Then make a new secret."
    ) (secretsIn [ "services.watchd.settings" ] settings)
    ++ refuseEach (file: isRelative file && !(cfg.credentials ? ${file.file})) (
      file: "${option file.key} names the credential \"${file.file}\", which does not exist. Set services.watchd.credentials.${file.file} to the file's path."
    ) files
    ++ refuseEach (file: isStore file.file && !(isPublic file)) (
      file: "${option file.key} is in the Nix store, where everybody can read it. Keep the file outside, and name it in services.watchd.credentials."
    ) files
    ++ refuseEach (name: isStore cfg.credentials.${name}) (
      name: "services.watchd.credentials.${name} is in the Nix store, where everybody can read it. Give the path as text, of a file outside of the configuration, such as \"/run/secrets/${name}\"."
    ) (lib.attrNames cfg.credentials)
    ++ refuseEach (name: !(watches ? ${name})) (
      name: "services.watchd.inboxes.${name}: there is no watch of that name. Define ${option "watch.${name}.path"}."
    ) (lib.attrNames cfg.inboxes);

  warnings = map (
    file: "${option file.key} is a path. watchd has a user of its own and can read only what everybody can; name the file in services.watchd.credentials and the credential here."
  ) (filter (file: !(isRelative file) && !(isStore file.file) && !(isPublic file)) files);
}
