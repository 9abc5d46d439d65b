#!/bin/sh
# fetch.sh: gets the sources of zlib from this machine's own Debian mirror into `source/`, beside this script.
#
# The machine's list of mirrors is read and not changed: source packages are asked for with a configuration of our own
# in a temporary folder. The index of packages is signed, apt checks the archive against it, and the archive is checked
# again here against the version that this example was made with.
set -eu

package=zlib
# The archive of zlib 1.2.13, as Debian 12 has it. Another one can be allowed: ZLIB_SHA256=… ./fetch.sh
sha256=${ZLIB_SHA256:-71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1}

die() {
    echo "fetch.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
for program in apt-get apt-config sha256sum tar; do
    command -v "$program" > /dev/null || die "\`$program\` is needed: this works on Debian and its relatives"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# apt drops its privileges for downloads, and must still reach this folder.
chmod 755 "$work"
mkdir -p "$work/sources.d" "$work/lists/partial" "$work/cache/archives/partial" "$work/got"
: > "$work/sources.list"

# The same mirrors, but for sources: both ways to write them down.
eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
for file in "${list:-}" "${parts:-}"/*.list; do
    [ -f "$file" ] || continue
    sed -n 's/^[[:space:]]*deb\([[:space:]]\)/deb-src\1/p' "$file" >> "$work/sources.list"
done
for file in "${parts:-}"/*.sources; do
    [ -f "$file" ] || continue
    sed 's/^Types:.*/Types: deb-src/' "$file" > "$work/sources.d/$(basename "$file")"
done

apt() {
    apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/sources.d" \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Get::List-Cleanup=false" \
        -o "APT::Sandbox::User=$(id -un)" -o "Acquire::Languages=none" "$@"
}
apt update || die "the index of source packages cannot be read: no network, or the mirror has no sources"
(cd "$work/got" && apt source --download-only "$package") || die "the sources of $package cannot be had"

archive=$(find "$work/got" -name "${package}_*.orig.tar.*" ! -name '*.asc')
[ -f "$archive" ] || die "the package $package has no archive of the original sources"
found=$(sha256sum < "$archive" | cut -d ' ' -f 1)
[ "$found" = "$sha256" ] || die "$(basename "$archive") has the checksum $found, which is not $sha256.
This example was made with another version; ZLIB_SHA256=$found $0 takes this one."

rm -rf "$here/source" "$here/source.new"
mkdir "$here/source.new"
tar -xf "$archive" -C "$here/source.new" --strip-components 1 --no-same-owner
mv "$here/source.new" "$here/source"
echo "$(basename "$archive"), checked, is in $here/source"
