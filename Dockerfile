# One static binary, the certificates that it trusts, and nothing else: no shell, no root.
#
#	docker build -t cdcsync .
#	docker run --read-only --cap-drop ALL -v ./conf:/etc/cdcsync:ro cdcsync
#
# The build takes the version from git, so the repository has to be in the context. Where modules
# come from another proxy than Go's own, name it: --build-arg GOPROXY=https://goproxy.example.org.
FROM golang:1.26 AS build
ARG GOPROXY GOSUMDB GOPRIVATE
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build git -C / config --global --add safe.directory /src && make build

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/cdcsync /usr/bin/cdcsync
USER 65532:65532
ENTRYPOINT ["/usr/bin/cdcsync"]
CMD ["run", "/etc/cdcsync"]
