# Builds tmo from this checkout: `nix build`, `nix run . -- start`, `nix profile install .`.
#
# Never built: no machine with nixpkgs has run it. shell/packages/prove only evaluates it with a stand-in for nixpkgs.
{
  description = "Supervisor for the processes of a Procfile";

  # It has Rust 1.88 or later.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      manifest = builtins.fromTOML (builtins.readFile ./Cargo.toml);
      cargo = manifest.package // { inherit (manifest.workspace.package) version; };
      tmo =
        { rustPlatform, installShellFiles }:
        rustPlatform.buildRustPackage {
          pname = cargo.name;
          inherit (cargo) version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          buildType = "dist";
          # The tests need tmux, shells and half an hour.
          doCheck = false;
          nativeBuildInputs = [ installShellFiles ];
          postInstall = ''
            installManPage man/*.1
            installShellCompletion --cmd tmo \
              --bash completions/tmo.bash --zsh completions/_tmo --fish completions/tmo.fish
          '';
          meta = {
            inherit (cargo) description;
            license = with nixpkgs.lib.licenses; [ mit asl20 ];
            mainProgram = "tmo";
          };
        };
    in
    {
      packages = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: {
        default = nixpkgs.legacyPackages.${system}.callPackage tmo { };
      });
    };
}
