FROM rust:1-bookworm AS build
WORKDIR /annals
COPY . .
RUN cargo build --locked --profile dist --package annals-cli

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home annals
COPY --from=build /annals/target/dist/annals /usr/local/bin/annals
USER annals
WORKDIR /home/annals
EXPOSE 8080 4317 4318
ENTRYPOINT ["annals"]
CMD ["serve"]
