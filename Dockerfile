# Both bases are arguments, so that the same file builds from mirrored or local images.
ARG BUILDER=rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bin yett \
    && install -D -m 0755 target/dist/yett /image/usr/local/bin/yett \
    && install -d -m 0755 /image/etc/yett \
    && install -d -m 0750 -o 65532 -g 65532 /image/var/lib/yett

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Yett" \
      org.opencontainers.image.description="Security gateway for the Model Context Protocol" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Ownership comes along: the program is root's, /var/lib/yett is the user's. Nothing else is written to, so the root file
# system can be read-only. /etc/yett is for yett.yaml and policies, mounted.
COPY --from=build /image/ /

# For every command: the health check and `docker exec ... yett keys` read the same file as `serve`.
ENV YETT_CONFIG=/etc/yett/yett.yaml
USER 65532:65532
VOLUME ["/var/lib/yett"]
# 8443 MCP; 9902 health and metrics. The admin listener stays on loopback.
EXPOSE 8443 9902
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/yett", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/yett"]
CMD ["serve"]
