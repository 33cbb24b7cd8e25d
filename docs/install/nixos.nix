# NixOS: Synapse's module takes Python packages as plugins. `hash` is printed by the first build.
{ pkgs, ... }:
{
  services.matrix-synapse = {
    plugins = [
      (pkgs.python3Packages.buildPythonPackage rec {
        pname = "synapse-capgroups";
        version = "0.1.0";
        pyproject = true;
        src = pkgs.fetchPypi {
          pname = "synapse_capgroups";
          inherit version;
          hash = pkgs.lib.fakeHash;
        };
        build-system = [ pkgs.python3Packages.hatchling ];
        dependencies = with pkgs.python3Packages; [ attrs canonicaljson twisted qrcode pyyaml ];
        doCheck = false;
      })
    ];
    settings.modules = [
      {
        module = "synapse_capgroups.CapGroups";
        config = { };
      }
    ];
  };
}
