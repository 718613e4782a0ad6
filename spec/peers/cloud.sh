#!/bin/sh
# usage: unshare -n -m sh spec/peers/cloud.sh CERTIFICATE KEY COMMAND…
# Runs a command in a network where the cloud's host names lead to an emulator on port 443, with a
# certificate of the suite's own authority. Clients run there exactly as they would against the cloud.
set -eu
certificate=$1 key=$2
shift 2
scratch=$(mktemp -d)
emulator=
trap '[ -z "$emulator" ] || { kill "$emulator" && wait "$emulator"; } 2>/dev/null || true; umount /etc/hosts; rm -rf "$scratch"' EXIT

ip link set lo up
echo '127.0.0.1 localhost cvm.tencentcloudapi.com image.api.qcloud.com cvm.api.qcloud.com' >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts

echo '{"settings":{"requireHttps":true}}' >"$scratch/state"
lua5.4 spec/support/qcimage.lua emulator --port 443 --tls "$certificate" "$key" --state "$scratch/state" \
  >"$scratch/ready" 2>&1 &
emulator=$!
for _ in $(seq 600); do
  grep -q ready "$scratch/ready" && break
  kill -0 "$emulator" 2>/dev/null || { cat "$scratch/ready"; exit 1; }
  sleep 0.1
done
"$@"
