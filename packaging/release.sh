#!/usr/bin/env bash
# Makes what is released: for each platform an archive with the binary, its bill of materials,
# man pages and completions, for Linux a Debian package as well, and the sums of all of them. The same commit and the same Go make
# the same bytes, wherever and whenever they are made.
#
#	packaging/release.sh DIR
#
# PLATFORMS="linux/amd64 linux/arm64" makes these only.
set -euo pipefail
out=$(realpath -m "${1:?usage: packaging/release.sh DIR}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${VERSION:-$(git describe --tags --always --dirty)}
epoch=$(git log -1 --format=%ct)
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=$epoch CGO_ENABLED=0
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

make -s --no-print-directory build BIN="$work/native" VERSION="$version"
mkdir -p "$work/completions"
for shell in bash zsh fish; do
	"$work/native" completion "$shell" >"$work/completions/cdcsync.$shell"
done

files=()
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
	name=cdcsync_${version}_${platform/\//_}
	tree=$work/$name
	mkdir -p "$tree"
	GOOS=${platform%/*} GOARCH=${platform#*/} make -s --no-print-directory build BIN="$tree/cdcsync" VERSION="$version"
	packaging/sbom.sh "$tree/cdcsync" "$version" >"$tree/sbom.cdx.json"
	cp -r packaging/man packaging/cdcsync.service "$work/completions" LICENSE README.md CHANGELOG.md "$tree"
	tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w \
		-C "$work" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
	files+=("$name.tar.gz")
	if [[ $platform = linux/* ]]; then
		files+=("$(packaging/deb.sh "$tree" "$version" "${platform#*/}" "$out")")
	fi
done
cd "$out"
sha256sum "${files[@]}" >SHA256SUMS
cat SHA256SUMS
