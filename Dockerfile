# waypoint-verify as a container image: `cargo xtask image`. Built for each architecture on its own (several: by emulation), so that
# nothing has to be compiled across.
FROM docker.io/library/debian:12 AS build
# Debian's own compiler, newer than Debian 12 itself, comes with `core` for the kernel programs, which rustup's has not.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates gcc libc6-dev rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22-dev
ENV LLVM_PREFIX=/usr/lib/llvm-22
# As in xtask/src/setup/linker.rs.
RUN RUSTFLAGS="-L /usr/lib/llvm-22/lib" cargo install bpf-linker --version 0.13.0 --locked --root /usr/local
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package waypoint-verify

# glibc and nothing else: no shell, no package manager. The user is the manifests' choice: an agent that has no user 0 has no capabilities
# either, whatever its pod asks for.
FROM gcr.io/distroless/cc-debian12
COPY --from=build /src/target/release/waypoint-verify /usr/local/bin/waypoint-verify
ENTRYPOINT ["/usr/local/bin/waypoint-verify"]
