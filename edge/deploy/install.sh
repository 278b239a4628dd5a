#!/bin/sh
# Installs or updates an edge on this box as the service patrolhub-edge (Debian 12 and later, as root):
#
#   edge/deploy/install.sh [--config FILE] [--no-start]
#   edge/deploy/install.sh --stage DIR        lays the files under DIR only: for images and to look at
#
# It copies this folder to /opt/patrolhub, installs packages and models there, keeps /etc/patrolhub/edge.yaml as it is if
# there is one, and starts the service. Run it again from a newer folder to update: the edge goes on where it was, and
# if it does not come up with the new version, the old one is put back.
set -eu

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

from=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
stage='' config='' start=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --config) [ $# -gt 1 ] || fail '--config needs a file'; config=$2; shift ;;
    --stage) [ $# -gt 1 ] || fail '--stage needs a folder'; stage=$2; shift ;;
    --no-start) start=no ;;
    --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
  shift
done
[ -z "$config" ] || [ -r "$config" ] || fail "cannot read $config"
[ -n "$stage" ] || [ "$(id -u)" = 0 ] || fail 'must run as root (or with --stage)'

program=$stage/opt/patrolhub
settings=$stage/etc/patrolhub/edge.yaml
units=$stage/etc/systemd/system

# What an edge needs, and nothing that the folder has picked up since.
copy_program() {
  mkdir -p "$1"
  for part in package.json package-lock.json .npmrc protocol edge models scripts docs server/package.json \
    dashboard/package.json; do
    [ -e "$from/$part" ] || fail "$from/$part is missing: run this from a whole copy of the project"
    mkdir -p "$1/$(dirname "$part")"
    cp -R "$from/$part" "$1/$(dirname "$part")/"
  done
  find "$1" -type d \( -name node_modules -o -name .cache \) -prune -exec rm -rf {} +
}

install_settings() {
  mkdir -p "$(dirname "$settings")"
  if [ -n "$config" ]; then
    cp "$config" "$settings"
  elif [ ! -e "$settings" ]; then
    sed 's|^dataDir:.*|dataDir: /var/lib/patrolhub-edge|' "$from/edge/edge.example.yaml" >"$settings"
    start=no
    echo "fill in $settings, then: systemctl start patrolhub-edge"
  fi
  # It holds credentials.
  chmod 0640 "$settings"
}

if [ -n "$stage" ]; then
  copy_program "$program"
  install_settings
  mkdir -p "$units"
  cp "$from/edge/deploy/patrolhub-edge.service" "$units/"
  exit 0
fi

command -v npm >/dev/null || fail 'npm is missing: install Node 20 or later with npm'
command -v ffmpeg >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends ffmpeg; } ||
  fail 'ffmpeg is missing and could not be installed'
getent passwd patrolhub-edge >/dev/null ||
  useradd --system --home-dir /var/lib/patrolhub-edge --shell /usr/sbin/nologin patrolhub-edge

new=$program.new
rm -rf "${new:?}"
copy_program "$new"
# Models are made with the development packages; the service runs without them.
(cd "$new" && npm ci --no-audit --no-fund && node_modules/.bin/node models/cli.ts prepare &&
  npm prune --omit=dev --no-audit --no-fund) || fail 'packages or models could not be installed; nothing was changed'
install_settings
chown -R root:patrolhub-edge "$new" "$(dirname "$settings")"
chmod -R g+rX "$new"
"$new/node_modules/.bin/node" "$new/edge/src/main.ts" --config "$settings" --check ||
  { [ "$start" = no ] || fail "the configuration is wrong (above); nothing was changed"; }

cp "$from/edge/deploy/patrolhub-edge.service" "$units/"
systemctl daemon-reload
systemctl enable -q patrolhub-edge
rm -rf "${program:?}.old"
[ ! -e "$program" ] || mv "$program" "$program.old"
mv "$new" "$program"
[ "$start" = yes ] || exit 0
systemctl restart patrolhub-edge
sleep 15
if [ "$(systemctl show -p NRestarts --value patrolhub-edge)" != 0 ] || ! systemctl -q is-active patrolhub-edge; then
  journalctl -u patrolhub-edge -n 20 --no-pager >&2 || true
  [ -e "$program.old" ] || fail 'the edge does not stay up (above)'
  rm -rf "${program:?}"
  mv "$program.old" "$program"
  systemctl restart patrolhub-edge
  fail 'the new version does not stay up (above); the old one is back'
fi
echo "patrolhub-edge is running; its log: journalctl -fu patrolhub-edge"
