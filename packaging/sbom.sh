#!/usr/bin/env bash
# Prints the bill of materials of a built binary, in CycloneDX: every module in it, by what the
# binary itself says.
#
#	packaging/sbom.sh BINARY VERSION
set -euo pipefail
binary=${1:?usage: packaging/sbom.sh BINARY VERSION}
version=${2:?usage: packaging/sbom.sh BINARY VERSION}
# The tool runs here, whatever the binary is for.
export GOOS='' GOARCH=''
# Its time is that of the release, if there is one: the same release has the same bill.
stamp=$(date -u ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"} +%Y-%m-%dT%H:%M:%SZ)
go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 \
	bin -json -noserial -version "$version" "$binary" | sed "s/^\( *\"timestamp\": \)\"[^\"]*\"/\1\"$stamp\"/"
