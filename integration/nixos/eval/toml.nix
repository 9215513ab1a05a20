# TOML as nixpkgs generates it, but at evaluation time, so that its text can be looked at.
{ lib }:
let
  string = text: builtins.toJSON (toString text); # a JSON string is a TOML string
  key = name: if builtins.match "[A-Za-z0-9_-]+" name != null then name else string name;
  inline =
    value:
    if lib.isBool value then
      lib.boolToString value
    else if lib.isInt value || lib.isFloat value then
      builtins.toJSON value
    else if lib.isList value then
      "[${lib.concatMapStringsSep ", " inline value}]"
    else
      string value;
  table =
    path: attrs:
    let
      tables = lib.filterAttrs (_: lib.isAttrs) attrs;
      line = name: value: "${key name} = ${inline value}\n";
      below = name: value: table (path ++ [ (key name) ]) value;
      head = lib.optionalString (path != [ ]) "[${lib.concatStringsSep "." path}]\n";
      own = lib.concatStrings (lib.mapAttrsToList line (removeAttrs attrs (lib.attrNames tables)));
    in
    lib.optional (own != "" || tables == { }) (head + own)
    ++ lib.concatLists (lib.mapAttrsToList below tables);
in
{
  # As the type in nixpkgs: no null.
  type =
    let
      value =
        lib.types.oneOf [
          lib.types.bool
          lib.types.int
          lib.types.float
          lib.types.str
          lib.types.path
          (lib.types.attrsOf value)
          (lib.types.listOf value)
        ]
        // {
          description = "TOML value";
        };
    in
    value;
  render = attrs: lib.concatStringsSep "\n" (table [ ] attrs);
}
