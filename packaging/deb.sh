#!/usr/bin/env bash
# Makes a Debian package of the tree of a release. It starts nothing and has no scripts. Needs
# "ar", and SOURCE_DATE_EPOCH for the time of the files.
#
#	packaging/deb.sh TREE VERSION ARCH DIR
set -euo pipefail
tree=$(realpath "${1:?usage: packaging/deb.sh TREE VERSION ARCH DIR}")
arch=$3 out=$(realpath "$4")
# Debian's versions begin with a digit; what git says behind a dash is a revision that sorts later.
version=${2#v}
[[ $version =~ ^[0-9] ]] || version=0~$version
version=${version//-/+}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
umask 022

install -D "$tree/cdcsync" "$root/usr/bin/cdcsync"
install -D -m 644 "$tree/cdcsync.service" "$root/usr/lib/systemd/system/cdcsync.service"
install -D -m 644 -t "$root/usr/share/man/man1" "$tree"/man/*
gzip -9n "$root"/usr/share/man/man1/*
install -D -m 644 "$tree/completions/cdcsync.bash" "$root/usr/share/bash-completion/completions/cdcsync"
install -D -m 644 "$tree/completions/cdcsync.zsh" "$root/usr/share/zsh/vendor-completions/_cdcsync"
install -D -m 644 "$tree/completions/cdcsync.fish" "$root/usr/share/fish/vendor_completions.d/cdcsync.fish"
install -D -m 644 "$tree/LICENSE" "$root/usr/share/doc/cdcsync/copyright"
install -D -m 644 -t "$root/usr/share/doc/cdcsync" "$tree/README.md" "$tree/CHANGELOG.md" "$tree/sbom.cdx.json"
gzip -9n "$root/usr/share/doc/cdcsync/CHANGELOG.md"
install -d "$root/etc/cdcsync"

mkdir "$work/control"
cat >"$work/control/control" <<END
Package: cdcsync
Version: $version
Architecture: $arch
Maintainer: The cdcsync authors <noreply@cdcsync.invalid>
Installed-Size: $(find "$root" -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k }')
Section: database
Priority: optional
Homepage: https://github.com/cdcsync/cdcsync
Description: keeps tables of two live databases the same, both ways
 cdcsync reads the change logs of two databases, PostgreSQL, MySQL, MariaDB or
 SQLite, and writes each change into the other. Applications need no change.
END
(cd "$root" && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$work/control/md5sums"

pack() { # the same files make the same bytes
	tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w -C "$1" -cf - . | gzip -9n >"$work/$2"
}
pack "$work/control" control.tar.gz
pack "$root" data.tar.gz
echo 2.0 >"$work/debian-binary"
package=$out/cdcsync_${version}_$arch.deb
rm -f "$package"
(cd "$work" && ar rcD "$package" debian-binary control.tar.gz data.tar.gz)
basename "$package"
