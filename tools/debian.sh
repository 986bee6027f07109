# What tools/setup and tools/web-setup share, and what they do on Debian. It names no host: suites are added by copying
# the machine's own entries.

RUST_PACKAGES="cargo-web rustc-web rustfmt-web rust-web-clippy"
SOURCES=/etc/apt/sources.list.d

say() { echo "setup: $*"; }
stop() {
    echo "setup: $*" >&2
    exit 1
}

is_debian() { [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "${ID:-}")" = debian ]; }

# What is missing, in words for a person, and as Debian's packages.
words=
packages=
lacks() {
    words="${words:+$words, }$1"
    packages="$packages $2"
}

# packages update | packages install [-t SUITE] NAME...: apt-get, quiet and without questions unless it fails.
packages() {
    verb=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get -qq "$verb" ${1:+-y --no-install-recommends} "$@" >"$work/apt.log" 2>&1 && return
    cat "$work/apt.log" >&2
    return 1
}

codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

has_loader() {
    for folder in /lib /usr/lib /usr/local/lib; do
        for file in "$folder"/libvulkan.so.1 "$folder"/*/libvulkan.so.1; do
            [ -e "$file" ] && return
        done
    done
    return 1
}

has_suite() { apt-get indextargets --format '$(RELEASE)' | grep -qx "$1"; }

# Prints the machine's entries for its own release with another suite in its place. $1: the suite; $2: "sources" (stanzas)
# or "list" (one line each), which is the form of the files that are read; $3: what to append to the archive's folder.
entries() {
    release=$(codename)
    if [ "$2" = sources ]; then
        for file in "$SOURCES"/*.sources; do
            [ -r "$file" ] && awk -v release="$release" -v suite="$1" -v folder="$3" '
                BEGIN { RS = ""; FS = "\n" }
                {
                    text = ""; own = 0; off = 0
                    for (i = 1; i <= NF; i++) {
                        if ($i ~ /^#/) continue
                        if (tolower($i) ~ /^enabled:[ \t]*no/) off = 1
                        if ($i ~ /^Suites:/) {
                            own = (" " $i " ") ~ ("[ \t]" release "[ \t]")
                            $i = "Suites: " suite
                        }
                        if ($i ~ /^Components:/) $i = "Components: main"
                        if (folder && $i ~ /^URIs:/) sub(/\/?[ \t]*$/, folder, $i)
                        text = text $i "\n"
                    }
                    if (own && !off) print text
                }' "$file"
        done
    else
        for file in /etc/apt/sources.list "$SOURCES"/*.list; do
            [ -r "$file" ] && awk -v release="$release" -v suite="$1" -v folder="$3" '
                $1 == "deb" {
                    for (at = 2; at <= NF && $at !~ /:\//; at++) if ($at ~ /^\[/) while ($at !~ /\]$/ && at < NF) at++
                    if ($(at + 1) != release) next
                    if (folder) sub(/\/?$/, folder, $at)
                    line = $1
                    for (i = 2; i <= at; i++) line = line " " $i
                    print line, suite, "main"
                }' "$file"
        done
    fi
}

# Adds a suite of the machine's own archive under the name ijepa-SUITE; takes it away again where it can't be had.
add_suite() {
    for form in sources list; do
        added=$SOURCES/ijepa-$1.$form
        entries "$1" "$form" "${2:-}" >"$added" || true
        if [ -s "$added" ]; then
            say "adding $1 to APT's sources: $added"
            packages update && has_suite "$1" && return
        fi
        rm -f "$added"
    done
    packages update || true
    return 1
}

candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }' | cut -d - -f 1 | cut -d + -f 1; }

offers() { [ "$(printf '%s\n%s\n' "$2" "$(candidate "$1")" | sort -V | head -n 1)" = "$2" ]; }

# Debian's Rust for browsers is renewed in the security suite: that is where a new enough one is, on a stable release.
check_rust_packages() {
    if dpkg -s rustup >/dev/null 2>&1; then
        stop "Debian's rustup is installed, which excludes Debian's cargo: run \`rustup toolchain install stable\`, then this again"
    fi
    packages update
    offers rustc-web "$1" && return
    has_suite "$(codename)-security" || add_suite "$(codename)-security" -security || true
    offers rustc-web "$1" ||
        stop "Debian offers rustc-web $(candidate rustc-web) here and $1 is needed: add the release's security suite to APT's sources, or install rustup"
}

# Backports first: on Debian 12 its Mesa is 4 to 6 times faster than the release's own.
install_software_driver() {
    suite=$(codename)-backports
    say "no Vulkan adapter found: installing Mesa's software driver from $suite"
    packages update # before it, a suite that is configured may not be known
    if has_suite "$suite" || add_suite "$suite"; then
        packages install -t "$suite" mesa-vulkan-drivers libvulkan1 && return
    fi
    say "$suite can't be had: installing the release's own driver, which is slower"
    packages install mesa-vulkan-drivers libvulkan1
}
