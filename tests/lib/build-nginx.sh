#!/bin/bash
# Builds nginx from the distribution's own source package, with our module linked in, under ASan and UBSan.
#
# The packaged nginx cannot find an overflow inside a pool block: its pools are compiled in, uninstrumented. Here the
# whole server is instrumented and NGX_DEBUG_PALLOC makes every pool allocation a malloc of its own, so that the
# sanitizer sees the bounds of each. The source comes through a private apt state made from the machine's own apt
# configuration (deb lines read as deb-src); nothing under /etc is touched.
#
# usage: tests/lib/build-nginx.sh [plain]     prints the path of the binary; "plain" builds without sanitizers
# Cached under build/nginx-src (source) and build/nginx-asan or build/nginx-plain; make rebuilds what changed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
kind=${1:-asan}
build=${BUILD:-$root/build}
mkdir -p "$build"
build=$(cd "$build" && pwd)
apt=$build/nginx-src/apt
log=$build/nginx-$kind.log

# The machine's sources of its own release, as deb-src.
write_sources() {
  local release f
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  : > "$apt/src.list"
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$f" ] && grep -E "^deb .*[[:space:]]${release}[^[:space:]]*[[:space:]]" "$f" | sed 's/^deb /deb-src /' >> "$apt/src.list"
  done
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$f" ] || continue
    awk -v RS= -v ORS='\n\n' -v suites="(^|\n)Suites: $release" \
      '$0 ~ suites { sub(/(^|\n)Types: deb(\n| |$)/, "\nTypes: deb-src\n"); print }' "$f" >> "$apt/src.sources"
  done
  return 0
}

# Newest version first; a security upload whose .dsc is not mirrored falls back to the next.
fetch_source() {
  local opts version
  rm -rf "$build/nginx-src"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
  write_sources
  cp "$apt"/src.* "$apt/parts/"
  opts=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts" -o "Dir::State::lists=$apt/lists"
    -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${opts[@]}" -qq update
  for version in $(apt-cache "${opts[@]}" showsrc nginx | awk '/^Version:/ { print $2 }' | sort -rVu); do
    if (cd "$build/nginx-src" && apt-get "${opts[@]}" -qq source "nginx=$version"); then
      return 0
    fi
    rm -rf "$build"/nginx-src/nginx*
  done
  echo "build-nginx: no source package of nginx can be fetched" >&2
  return 1
}

configure() {
  local cc_opt ld_opt
  cc_opt="-O1 -g3 -fno-omit-frame-pointer -Wno-error"
  ld_opt=""
  if [ "$kind" = asan ]; then
    cc_opt="$cc_opt -fsanitize=address,undefined -fno-sanitize=nonnull-attribute -DNGX_DEBUG_PALLOC=1"
    cc_opt="$cc_opt -DNGX_HAVE_NONALIGNED=0"
    ld_opt="-fsanitize=address,undefined"
  fi
  ./configure --builddir="$build/nginx-$kind" --prefix="$build/nginx-$kind/prefix" --with-cc=gcc --with-debug \
    --with-compat --with-threads --with-http_ssl_module --with-http_v2_module --with-http_realip_module \
    --with-http_stub_status_module --with-http_auth_request_module --with-http_addition_module --with-pcre-jit \
    --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" --add-module="$root"
}

find_tree() {
  find "$build/nginx-src" -maxdepth 1 -type d -name "nginx-1*" 2>/dev/null | head -1 || true
}

tree=$(find_tree)
if [ -z "$tree" ]; then
  fetch_source > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
  tree=$(find_tree)
fi
cd "$tree"
if [ ! -f "$build/nginx-$kind/Makefile" ] || [ "$root/config" -nt "$build/nginx-$kind/Makefile" ]; then
  configure >> "$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
fi
make -j2 -f "$build/nginx-$kind/Makefile" binary >> "$log" 2>&1 || { grep -m20 -E 'error|Error' "$log" >&2; exit 1; }
echo "$build/nginx-$kind/nginx"
