FROM golang:1.26-bookworm AS build
WORKDIR /src
# A layer of its own: modules are fetched again only when these two files change.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN make build VERSION="$VERSION" && mkdir -m 0700 /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /src/bursar /bursar
# A new volume takes over the owner of what it is mounted on; 65532 is nonroot.
COPY --from=build --chown=65532:65532 --chmod=0700 /data /data
USER 65532:65532
VOLUME /data
ENV BURSAR_DB=/data/bursar.db BURSAR_ADDR=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bursar"]
CMD ["serve"]
