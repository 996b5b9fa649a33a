# One image with the three programs: orchestrator (default), dummy-services, dummy-kubernetes.
#
#   docker build -t diastema-orchestrator .
#   docker run --rm -e DIASTEMA_KEY=a-key-of-your-own -p 5000:5000 -v orchestrator-data:/data diastema-orchestrator

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /source
COPY . .
# The caches outlive the layer, so the programs are copied out of the target directory in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked \
        --bins --package diastema-orchestrator --package dummy-services \
    && mkdir /programs \
    && cp target/release/orchestrator target/release/dummy-services target/release/dummy-kubernetes /programs/

FROM debian:bookworm-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin orchestrator \
    && install --directory --owner=orchestrator --group=orchestrator --mode=0700 /data
COPY --from=builder /programs/ /usr/local/bin/
COPY docker/answers-http /usr/local/bin/answers-http
USER orchestrator
ENV HOST=0.0.0.0 PORT=5000 DATA_DIR=/data
VOLUME /data
EXPOSE 5000
# DIASTEMA_KEY is not set on purpose: an orchestrator that can be reached from outside does not start without one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["answers-http", "/health"]
ENTRYPOINT ["/usr/local/bin/orchestrator"]
CMD ["serve"]
